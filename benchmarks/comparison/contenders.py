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

from optimization import (
    RunRecord,
    SeedsFirst,
    Step,
    Stopping,
    ascend,
    best_of_seeds,
    local_search,
    spectral_evolution_search,
)
from preconditioning import RECIPES, HaarBand, Recipe, WhiteGaussianProjector
from preconditioning.recipes import SEARCH_RETRACTION

SEED_STRIDE = 1_000_003
SEEDS = 16  # tried first
STRENGTH = 0.2  # of those that stay near their start: a cosine of 0.95


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
    a search counts evaluations as steps. needs_gradient: False for the searches. seeds: evaluated before the first
    step, in addition to the steps. timed_as: the contender whose steps take as long; its own name by default."""

    name: str
    label: str
    optimizer: str
    step_sizes: tuple[float | None, ...]
    run: Callable[[Task, Any, int, Callback], RunRecord]
    needs_gradient: bool = True
    seeds: int = 0
    timed_as: str = ""


def doublings(first: float, count: int = 5) -> tuple[float, ...]:
    return tuple(first * 2**k for k in range(count))


def further_seeds(noise: Tensor, seeds: tuple[int, ...]) -> Callable[[int], Tensor]:
    """Draws (B, C, H, W) for noises of those seeds: the same ones for a noise in any batch."""

    def draw(step: int) -> Tensor:
        return torch.stack([torch.randn(noise.shape[1:], generator=torch.Generator().manual_seed(
            SEED_STRIDE * (seed + 1) + step)) for seed in seeds])

    return draw


def _best_of_seeds(task: Task, step_size: None, steps: int, callback: Callback) -> RunRecord:
    return best_of_seeds(task.noise, task.generate, task.reward, draw=further_seeds(task.noise, task.seeds),
                         stopping=Stopping(steps=steps), callback=callback, graph_context=task.graph_context)


def _local_search(task: Task, step_size: float, steps: int, callback: Callback) -> RunRecord:
    return local_search(task.noise, task.generate, task.reward, retract=SEARCH_RETRACTION,
                        radius=step_size, seed=task.seeds[0], stopping=Stopping(steps=steps), callback=callback,
                        graph_context=task.graph_context)


def _spectral_evolution(task: Task, step_size: None, steps: int, callback: Callback) -> RunRecord:
    return spectral_evolution_search(task.noise, task.generate, task.reward, band=HaarBand(), seed=task.seeds[0],
                                     stopping=Stopping(steps=steps), callback=callback,
                                     graph_context=task.graph_context)


ADAM_SIZES = doublings(0.0125)
GPER = RECIPES["GPER"]


def _ascent(name: str, label: str, recipe: Recipe, step_sizes: tuple[float, ...] = ADAM_SIZES,
            seeds: int = 0, timed_as: str = "") -> Contender:
    words = recipe.optimizer if recipe.clip is None else f"{recipe.optimizer}, clip {recipe.clip:g}"

    def run(task: Task, step_size: float, steps: int, callback: Callback) -> RunRecord:
        first = SeedsFirst(seeds, further_seeds(task.noise, task.seeds)) if seeds else None
        return ascend(task.noise, task.generate, task.reward, **recipe.arguments(step_size),
                      stopping=Stopping(steps=steps), callback=callback, graph_context=task.graph_context,
                      seeds_first=first)

    return Contender(name, label, words, step_sizes, run, seeds=seeds, timed_as=timed_as)


def _kept_and_led(name: str, label: str, recipe: Recipe, step_sizes: tuple[float, ...]) -> list[Contender]:
    """A method with seeds first, near its start, and both."""
    near = replace(recipe, strength=STRENGTH)
    return [
        _ascent(f"{name}-seeds", f"{label}, {SEEDS} seeds first", recipe, step_sizes, SEEDS, name),
        _ascent(f"{name}-near", f"{label}, strength {STRENGTH:g}", near, step_sizes, 0, name),
        _ascent(f"{name}-seeds-near", f"{label}, {SEEDS} seeds first, strength {STRENGTH:g}", near, step_sizes, SEEDS,
                name),
    ]


def _projected(**settings: Any) -> Recipe:
    """GPER with another projector."""
    return replace(GPER, preconditioner=WhiteGaussianProjector(**settings))


def _ablation(name: str, label: str, recipe: Recipe, step_size: float = 0.05) -> Contender:
    return _ascent(name, label, recipe, (step_size,))


BASELINES = ("none", "reno", "prno", "mpgr")
REFERENCE, VARIANT = "gper", "gper-block4"  # the paper's method, and ours
SEED_SEARCH = "best-of-n"  # its steps cost what a seed costs that is tried first

MOMENTUM = GPER.stepping("falling momentum")
_ASCENTS = (
    ("none", "no protection", RECIPES["none"], ADAM_SIZES),
    ("reno", "ReNO", RECIPES["ReNO"], doublings(0.3125)),
    ("prno", "PRNO", RECIPES["PRNO"], ADAM_SIZES),
    ("mpgr", "MPGR", RECIPES["MPGR"], doublings(3.125)),
    (REFERENCE, "GPER", GPER, ADAM_SIZES),
    ("gper-momentum", "GPER, falling momentum steps", MOMENTUM, ADAM_SIZES),
)

# Beyond the published methods: compared when they are named.
EXTENDED = {contender.name: contender for method in _ASCENTS for contender in _kept_and_led(*method)}

CONTENDERS = {contender.name: contender for contender in (
    *(_ascent(*method) for method in _ASCENTS),
    _ascent("gper-large", "GPER, step size 0.2", GPER, ADAM_SIZES[-1:]),
    _ascent(VARIANT, "GPER, blocks of 4", _projected(block_size=4)),
    _ascent("gper-gradient", "GPER, gradient only", _projected(project_latent=False)),
    _ascent("gper-latent", "GPER, latent only", _projected(project_gradient=False)),
    Contender(SEED_SEARCH, "best of n", "none", (None,), _best_of_seeds, needs_gradient=False),
    Contender("local-search", "local search", "none", doublings(0.05), _local_search, needs_gradient=False),
    Contender("spectral-evolution", "spectral evolution", "none", (None,), _spectral_evolution, needs_gradient=False),
)} | EXTENDED

# Of the paper's method, at one step size, on the tuning noises. A projected gradient has the norm sqrt(N): without a
# clip, and with 1 / (1 - 0.9) for momentum, plain and Nesterov steps are as long as Adam's.
ABLATIONS = {contender.name: contender for contender in (
    *(_ablation(f"block-{size}", f"block size {size}", _projected(block_size=size)) for size in (4, 8, 16, 64, 256)),
    _ablation("plain", "plain steps", replace(GPER, optimizer="SGD", clip=None)),
    _ablation("nesterov", "Nesterov steps", replace(GPER, optimizer="Nesterov", clip=None), 0.005),
    _ablation("gradient", "gradient only", _projected(project_latent=False)),
    _ablation("latent", "latent only", _projected(project_gradient=False)),
)}
