"""The methods that are compared: each with its published optimizer and the step sizes it may choose from.

The trial values of a method are five, a factor of two apart, so that all span the same 16-fold range. Where a
published value makes sense in a small world, the range holds it; where it does not (a step size belongs to a model,
a reward and a clip), the range is laid so that the largest value moves the noise by a fifth of its norm in a step.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from optimization import AscentRecord, Step, Stopping, ascend, best_of_seeds, local_search
from preconditioning import (
    NormPenalty,
    SpectrumPenalty,
    SubsetPenalty,
    Unconstrained,
    WhiteGaussianProjector,
)

SEED_STRIDE = 1_000_003


@dataclass(frozen=True)
class Task:
    """One batch of start noises and what is to be done with it.

    noise: (B, C, H, W). generate: noises -> pictures. reward: pictures -> (B,). seeds: one for each start noise.
    """

    noise: Tensor
    generate: Callable[[Tensor], Tensor]
    reward: Callable[[Tensor], Tensor]
    seeds: tuple[int, ...]
    graph_context: Callable[[], AbstractContextManager]


Callback = Callable[[Step], str | None]


@dataclass(frozen=True)
class Contender:
    """name: on the command line and in files. label: in tables and pictures. optimizer: in words. step_sizes: the
    trial values; a single None where there is nothing to choose. run: (task, step size, steps, callback) -> record;
    a search counts evaluations as steps. needs_gradient: False for the searches."""

    name: str
    label: str
    optimizer: str
    step_sizes: tuple[float | None, ...]
    run: Callable[[Task, Any, int, Callback], AscentRecord]
    needs_gradient: bool = True


def doublings(first: float, count: int = 5) -> tuple[float, ...]:
    return tuple(first * 2**k for k in range(count))


def _ascent(preconditioner: Any, optimizer: Callable, clip: float | None) -> Callable:
    def run(task: Task, step_size: float, steps: int, callback: Callback) -> AscentRecord:
        return ascend(task.noise, task.generate, task.reward, preconditioner, partial(optimizer, lr=step_size), clip,
                      Stopping(steps=steps), callback, task.graph_context)

    return run


def _best_of_seeds(task: Task, step_size: None, steps: int, callback: Callback) -> AscentRecord:
    def draw(step: int) -> Tensor:
        return torch.stack([torch.randn(task.noise.shape[1:], generator=torch.Generator().manual_seed(
            SEED_STRIDE * (seed + 1) + step)) for seed in task.seeds])

    return best_of_seeds(task.noise, task.generate, task.reward, draw=draw, stopping=Stopping(steps=steps),
                         callback=callback, graph_context=task.graph_context)


def _local_search(task: Task, step_size: float, steps: int, callback: Callback) -> AscentRecord:
    return local_search(task.noise, task.generate, task.reward, retract=WhiteGaussianProjector().retract,
                        radius=step_size, seed=task.seeds[0], stopping=Stopping(steps=steps), callback=callback,
                        graph_context=task.graph_context)


NESTEROV = partial(torch.optim.SGD, momentum=0.9, nesterov=True)
ADAM_SIZES = doublings(0.0125)


def _adam(name: str, label: str, preconditioner: Any) -> Contender:
    return Contender(name, label, "Adam, clip 0.03", ADAM_SIZES, _ascent(preconditioner, torch.optim.Adam, 0.03))


def _ablation(name: str, label: str, optimizer: Callable = torch.optim.Adam, clip: float | None = 0.03,
              step_size: float = 0.05, **settings: Any) -> Contender:
    words = {torch.optim.Adam: "Adam", torch.optim.SGD: "plain", NESTEROV: "Nesterov 0.9"}[optimizer]
    return Contender(name, label, words if clip is None else f"{words}, clip {clip}", (step_size,),
                     _ascent(WhiteGaussianProjector(**settings), optimizer, clip))


BASELINES = ("none", "reno", "prno", "mpgr")
REFERENCE, VARIANT = "gper", "gper-block4"  # the paper's method, and ours

CONTENDERS = {contender.name: contender for contender in (
    _adam("none", "no protection", Unconstrained()),
    Contender("reno", "ReNO", "Nesterov 0.9, clip 0.1", doublings(0.3125), _ascent(NormPenalty(), NESTEROV, 0.1)),
    Contender("prno", "PRNO", "AdamW, clip 1", ADAM_SIZES, _ascent(SubsetPenalty(), torch.optim.AdamW, 1.0)),
    Contender("mpgr", "MPGR", "Nesterov 0.9, clip 0.01", doublings(3.125),
              _ascent(SpectrumPenalty(), NESTEROV, 0.01)),
    _adam(REFERENCE, "GPER", WhiteGaussianProjector()),
    Contender("gper-large", "GPER, step size 0.2", "Adam, clip 0.03", ADAM_SIZES[-1:],
              _ascent(WhiteGaussianProjector(), torch.optim.Adam, 0.03)),
    _adam(VARIANT, "GPER, blocks of 4", WhiteGaussianProjector(block_size=4)),
    _adam("gper-gradient", "GPER, gradient only", WhiteGaussianProjector(project_latent=False)),
    _adam("gper-latent", "GPER, latent only", WhiteGaussianProjector(project_gradient=False)),
    Contender("best-of-n", "best of n", "none", (None,), _best_of_seeds, needs_gradient=False),
    Contender("local-search", "local search", "none", doublings(0.05), _local_search, needs_gradient=False),
)}

# Of the paper's method, at one step size, on the tuning noises. A projected gradient has the norm sqrt(N): without a
# clip, and with 1 / (1 - 0.9) for momentum, plain and Nesterov steps are as long as Adam's.
ABLATIONS = {contender.name: contender for contender in (
    *(_ablation(f"block-{size}", f"block size {size}", block_size=size) for size in (4, 8, 16, 64, 256)),
    _ablation("plain", "plain steps", torch.optim.SGD, None),
    _ablation("nesterov", "Nesterov steps", NESTEROV, None, 0.005),
    _ablation("gradient", "gradient only", project_latent=False),
    _ablation("latent", "latent only", project_gradient=False),
)}
