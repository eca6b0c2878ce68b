"""The methods that are compared: the recipes that ship, and the step sizes each may choose from.

The trial values of a method are five, a factor of two apart, so that all span the same 16-fold range. Where a
published value makes sense in a small world, the range holds it; where it does not (a step size belongs to a model,
a reward and a clip), the range is laid so that the largest value moves the noise by a fifth of its norm in a step.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

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
Callback = Callable[[Step], str | None]


def doublings(first: float, count: int = 5) -> tuple[float, ...]:
    return tuple(first * 2**k for k in range(count))


ADAM_SIZES = doublings(0.0125)


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

    def run(self, method: Callable[..., RunRecord], steps: int, callback: Callback, **settings: Any) -> RunRecord:
        """method: `ascend` or a search, with its own settings."""
        return method(self.noise, self.generate, self.reward, stopping=Stopping(steps=steps), callback=callback,
                      graph_context=self.graph_context, **settings)


def further_seeds(noise: Tensor, seeds: tuple[int, ...]) -> Callable[[int], Tensor]:
    """Draws (B, C, H, W) for noises of those seeds: the same ones for a noise in any batch."""

    def draw(step: int) -> Tensor:
        return torch.stack([torch.randn(noise.shape[1:], generator=torch.Generator().manual_seed(
            SEED_STRIDE * (seed + 1) + step)) for seed in seeds])

    return draw


@dataclass(frozen=True)
class Ascent:
    """name: on the command line and in files. label: in tables and pictures. step_sizes: the trial values. seeds:
    evaluated before the first step, in addition to the steps. timed_as: the contender whose steps take as long; its own
    name by default."""

    name: str
    label: str
    recipe: Recipe
    step_sizes: tuple[float, ...] = ADAM_SIZES
    seeds: int = 0
    timed_as: str = ""
    needs_gradient: ClassVar[bool] = True

    @property
    def optimizer(self) -> str:
        """In words."""
        return self.recipe.optimizer + ("" if self.recipe.clip is None else f", clip {self.recipe.clip:g}")

    def run(self, task: Task, step_size: float, steps: int, callback: Callback) -> RunRecord:
        first = SeedsFirst(self.seeds, further_seeds(task.noise, task.seeds)) if self.seeds else None
        return task.run(ascend, steps, callback, **self.recipe.arguments(step_size), seeds_first=first)


@dataclass(frozen=True)
class Search:
    """As `Ascent`, but its steps are evaluations. settings: (task, step size) -> those of the method. step_sizes: a
    single None where there is nothing to choose."""

    name: str
    label: str
    method: Callable[..., RunRecord]
    settings: Callable[[Task, float | None], dict[str, Any]]
    step_sizes: tuple[float | None, ...] = (None,)
    needs_gradient: ClassVar[bool] = False
    optimizer: ClassVar[str] = "none"
    seeds: ClassVar[int] = 0
    timed_as: ClassVar[str] = ""

    def run(self, task: Task, step_size: float | None, steps: int, callback: Callback) -> RunRecord:
        return task.run(self.method, steps, callback, **self.settings(task, step_size))


Contender = Ascent | Search


def _kept_and_led(method: Ascent) -> list[Ascent]:
    """A method with seeds first, near its start, and both."""
    first, near = f"{SEEDS} seeds first", f"strength {STRENGTH:g}"
    led = replace(method, timed_as=method.name)
    recipe = replace(method.recipe, strength=STRENGTH)
    return [
        replace(led, name=f"{led.name}-seeds", label=f"{led.label}, {first}", seeds=SEEDS),
        replace(led, name=f"{led.name}-near", label=f"{led.label}, {near}", recipe=recipe),
        replace(led, name=f"{led.name}-seeds-near", label=f"{led.label}, {first}, {near}", recipe=recipe, seeds=SEEDS),
    ]


def _projected(**settings: Any) -> Recipe:
    """GPER with another projector."""
    return replace(GPER, preconditioner=WhiteGaussianProjector(**settings))


BASELINES = ("none", "reno", "prno", "mpgr")
REFERENCE, VARIANT = "gper", "gper-block4"  # the paper's method, and ours
SEED_SEARCH = "best-of-n"  # its steps cost what a seed costs that is tried first

GPER = RECIPES["GPER"]
MOMENTUM = GPER.stepping("falling momentum")
_ASCENTS = (
    Ascent("none", "no protection", RECIPES["none"]),
    Ascent("reno", "ReNO", RECIPES["ReNO"], doublings(0.3125)),
    Ascent("prno", "PRNO", RECIPES["PRNO"]),
    Ascent("mpgr", "MPGR", RECIPES["MPGR"], doublings(3.125)),
    Ascent(REFERENCE, "GPER", GPER),
    Ascent("gper-momentum", "GPER, falling momentum steps", MOMENTUM),
)

# Beyond the published methods: compared when they are named.
EXTENDED = {contender.name: contender for method in _ASCENTS for contender in _kept_and_led(method)}

CONTENDERS: dict[str, Contender] = {contender.name: contender for contender in (
    *_ASCENTS,
    Ascent("gper-large", "GPER, step size 0.2", GPER, ADAM_SIZES[-1:]),
    Ascent(VARIANT, "GPER, blocks of 4", _projected(block_size=4)),
    Ascent("gper-gradient", "GPER, gradient only", _projected(project_latent=False)),
    Ascent("gper-latent", "GPER, latent only", _projected(project_gradient=False)),
    Search(SEED_SEARCH, "best of n", best_of_seeds,
           lambda task, size: {"draw": further_seeds(task.noise, task.seeds)}),
    Search("local-search", "local search", local_search,
           lambda task, size: {"retract": SEARCH_RETRACTION, "radius": size, "seed": task.seeds[0]}, doublings(0.05)),
    Search("spectral-evolution", "spectral evolution", spectral_evolution_search,
           lambda task, size: {"band": HaarBand(), "seed": task.seeds[0]}),
)} | EXTENDED

# Of the paper's method, at one step size, on the tuning noises. A projected gradient has the norm sqrt(N): without a
# clip, and with 1 / (1 - 0.9) for momentum, plain and Nesterov steps are as long as Adam's.
ABLATIONS = {contender.name: contender for contender in (
    *(Ascent(f"block-{size}", f"block size {size}", _projected(block_size=size), (0.05,))
      for size in (4, 8, 16, 64, 256)),
    Ascent("plain", "plain steps", replace(GPER, optimizer="SGD", clip=None), (0.05,)),
    Ascent("nesterov", "Nesterov steps", replace(GPER, optimizer="Nesterov", clip=None), (0.005,)),
    Ascent("gradient", "gradient only", _projected(project_latent=False), (0.05,)),
    Ascent("latent", "latent only", _projected(project_gradient=False), (0.05,)),
)}
