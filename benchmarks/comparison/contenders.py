"""The methods that are compared: the recipes that ship, and the step sizes each may choose from.

The trial values of a method are five, a factor of two apart, so that all span the same 16-fold range. Where a
published value makes sense in a small world, the range holds it; where it does not (a step size belongs to a model,
a reward and a clip), the range is laid so that the largest value moves the noise by a fifth of its norm in a step.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from optimization import RunRecord, Step, Stopping, ascend, best_of_seeds, local_search
from preconditioning import RECIPES, Recipe, WhiteGaussianProjector
from preconditioning.recipes import SEARCH_RETRACTION

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
    run: Callable[[Task, Any, int, Callback], RunRecord]
    needs_gradient: bool = True


def doublings(first: float, count: int = 5) -> tuple[float, ...]:
    return tuple(first * 2**k for k in range(count))


def _best_of_seeds(task: Task, step_size: None, steps: int, callback: Callback) -> RunRecord:
    def draw(step: int) -> Tensor:
        return torch.stack([torch.randn(task.noise.shape[1:], generator=torch.Generator().manual_seed(
            SEED_STRIDE * (seed + 1) + step)) for seed in task.seeds])

    return best_of_seeds(task.noise, task.generate, task.reward, draw=draw, stopping=Stopping(steps=steps),
                         callback=callback, graph_context=task.graph_context)


def _local_search(task: Task, step_size: float, steps: int, callback: Callback) -> RunRecord:
    return local_search(task.noise, task.generate, task.reward, retract=SEARCH_RETRACTION,
                        radius=step_size, seed=task.seeds[0], stopping=Stopping(steps=steps), callback=callback,
                        graph_context=task.graph_context)


ADAM_SIZES = doublings(0.0125)
GPER = RECIPES["GPER"]


def _ascent(name: str, label: str, recipe: Recipe, step_sizes: tuple[float, ...] = ADAM_SIZES) -> Contender:
    words = recipe.optimizer if recipe.clip is None else f"{recipe.optimizer}, clip {recipe.clip:g}"

    def run(task: Task, step_size: float, steps: int, callback: Callback) -> RunRecord:
        return ascend(task.noise, task.generate, task.reward, **recipe.arguments(step_size),
                      stopping=Stopping(steps=steps), callback=callback, graph_context=task.graph_context)

    return Contender(name, label, words, step_sizes, run)


def _projected(**settings: Any) -> Recipe:
    """GPER with another projector."""
    return replace(GPER, preconditioner=WhiteGaussianProjector(**settings))


def _ablation(name: str, label: str, recipe: Recipe, step_size: float = 0.05) -> Contender:
    return _ascent(name, label, recipe, (step_size,))


BASELINES = ("none", "reno", "prno", "mpgr")
REFERENCE, VARIANT = "gper", "gper-block4"  # the paper's method, and ours

CONTENDERS = {contender.name: contender for contender in (
    _ascent("none", "no protection", RECIPES["none"]),
    _ascent("reno", "ReNO", RECIPES["ReNO"], doublings(0.3125)),
    _ascent("prno", "PRNO", RECIPES["PRNO"]),
    _ascent("mpgr", "MPGR", RECIPES["MPGR"], doublings(3.125)),
    _ascent(REFERENCE, "GPER", GPER),
    _ascent("gper-large", "GPER, step size 0.2", GPER, ADAM_SIZES[-1:]),
    _ascent(VARIANT, "GPER, blocks of 4", _projected(block_size=4)),
    _ascent("gper-gradient", "GPER, gradient only", _projected(project_latent=False)),
    _ascent("gper-latent", "GPER, latent only", _projected(project_gradient=False)),
    Contender("best-of-n", "best of n", "none", (None,), _best_of_seeds, needs_gradient=False),
    Contender("local-search", "local search", "none", doublings(0.05), _local_search, needs_gradient=False),
)}

# Of the paper's method, at one step size, on the tuning noises. A projected gradient has the norm sqrt(N): without a
# clip, and with 1 / (1 - 0.9) for momentum, plain and Nesterov steps are as long as Adam's.
ABLATIONS = {contender.name: contender for contender in (
    *(_ablation(f"block-{size}", f"block size {size}", _projected(block_size=size)) for size in (4, 8, 16, 64, 256)),
    _ablation("plain", "plain steps", replace(GPER, optimizer="SGD", clip=None)),
    _ablation("nesterov", "Nesterov steps", replace(GPER, optimizer="Nesterov", clip=None), 0.005),
    _ablation("gradient", "gradient only", _projected(project_latent=False)),
    _ablation("latent", "latent only", _projected(project_gradient=False)),
)}
