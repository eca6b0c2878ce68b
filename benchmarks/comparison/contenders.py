"""The methods that are compared, each in several ways: the recipes that ship, and the step sizes each may choose from.

The trial values of a method are five, a factor of two apart, so that all span the same 16-fold range. Where a
published value makes sense in a small world, the range holds it; where it does not (a step size belongs to a model,
a reward and a clip), the range is laid so that the largest value moves the noise by a fifth of its norm in a step.
"""

from collections.abc import Callable, Sequence
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
from preconditioning.efforts import EFFORTS, Effort
from preconditioning.recipes import SEARCH_RETRACTION
from preconditioning.strength import NO_LIMIT

from ..shared import digest

SEED_STRIDE = 1_000_003
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
class Way:
    """Help that every gradient method can have, none of which is its own. label: at the head of a column. seeds: tried
    before the first step, in addition to the steps. rule: one of `STEP_RULES`. steps: None for those that fit into the
    budget."""

    label: str
    seeds: int = 0
    strength: float = NO_LIMIT
    rule: str = "as the method"
    steps: int | None = None


SHIPPED = EFFORTS["balanced"]
SEEDS, STRENGTH = SHIPPED.seeds_first, SHIPPED.strength
WAYS = {
    "plain": Way("as published"),
    "seeds": Way(f"{SEEDS} seeds first", SEEDS),
    "strength": Way("strength", strength=STRENGTH),
    "both": Way("both", SEEDS, STRENGTH),
    "balanced": Way(f"both, {SHIPPED.step_rule}", SEEDS, STRENGTH, SHIPPED.step_rule),
    "short": Way(f"both, {SHIPPED.steps} steps of {SHIPPED.step_rule}", SEEDS, STRENGTH, SHIPPED.step_rule,
                 SHIPPED.steps),
}


@dataclass(frozen=True)
class Ascent:
    """A method in one way.

    name: on the command line and in files. label: in tables and pictures. method: of `METHODS`; a step counts as long
    in every way, though the limit of a strength adds projections to it, at most some 2% in the demo world. step_sizes:
    the trial values; none for a run as it ships. seeds, steps: as in `Way`.
    """

    name: str
    label: str
    method: str
    recipe: Recipe
    step_sizes: tuple[float, ...] = ADAM_SIZES
    seeds: int = 0
    steps: int | None = None

    @property
    def ships(self) -> bool:
        """Whether all settings are the recipe's own."""
        return not self.step_sizes

    @property
    def stays_near(self) -> bool:
        return self.recipe.strength != NO_LIMIT

    def within(self, strength: float) -> "Ascent":
        """The same with another strength."""
        return replace(self, recipe=replace(self.recipe, strength=strength))

    @property
    def digest(self) -> str:
        """Of all settings but the step size and the steps."""
        return digest(self.recipe, self.seeds)

    def run(self, task: Task, step_size: float, steps: int, callback: Callback) -> RunRecord:
        first = SeedsFirst(self.seeds, further_seeds(task.noise, task.seeds)) if self.seeds else None
        return task.run(ascend, steps, callback, **self.recipe.arguments(step_size), seeds_first=first)


@dataclass(frozen=True)
class Search:
    """As `Ascent`, but its steps are evaluations. call: the method. settings: (task, step size) -> those of the method.
    step_sizes: a single None where there is nothing to choose."""

    name: str
    label: str
    call: Callable[..., RunRecord]
    settings: Callable[[Task, float | None], dict[str, Any]]
    step_sizes: tuple[float | None, ...] = (None,)
    ships: ClassVar[bool] = False
    stays_near: ClassVar[bool] = False
    seeds: ClassVar[int] = 0
    steps: ClassVar[None] = None

    @property
    def method(self) -> str:
        return self.name

    @property
    def digest(self) -> str:
        return digest(self.call.__name__)

    def run(self, task: Task, step_size: float | None, steps: int, callback: Callback) -> RunRecord:
        return task.run(self.call, steps, callback, **self.settings(task, step_size))


Contender = Ascent | Search


def in_way(method: Ascent, name: str) -> Ascent:
    """A method in one of `WAYS`. Momentum's steps are as long as Adam's, whatever the method's own."""
    way = WAYS[name]
    recipe = replace(method.recipe.stepping(way.rule), strength=way.strength)
    sizes = method.step_sizes if recipe.optimizer == method.recipe.optimizer else ADAM_SIZES
    return replace(method, name=f"{method.name}-{name}", label=f"{method.label}, {way.label}", recipe=recipe,
                   step_sizes=sizes, seeds=way.seeds, steps=way.steps)


def _gper(name: str, label: str, **settings: Any) -> Ascent:
    """GPER with another projector."""
    return Ascent(name, label, name, replace(GPER, preconditioner=WhiteGaussianProjector(**settings)))


GPER = RECIPES["GPER"]
REFERENCE = "gper"  # the paper's method
OURS, LONGER = "effort-balanced", "effort-balanced-longer"  # what is held to the goals
SEED_SEARCH = "best-of-n"  # its steps cost what a seed costs that is tried first
PUBLISHED = {method.name: method for method in (
    Ascent("none", "no protection", "none", RECIPES["none"]),
    Ascent("reno", "ReNO", "reno", RECIPES["ReNO"], doublings(0.3125)),
    Ascent("prno", "PRNO", "prno", RECIPES["PRNO"]),
    Ascent("mpgr", "MPGR", "mpgr", RECIPES["MPGR"], doublings(3.125)),
    Ascent(REFERENCE, "GPER", REFERENCE, GPER),
)}
SEARCHES = {search.name: search for search in (
    Search(SEED_SEARCH, "best of n", best_of_seeds,
           lambda task, size: {"draw": further_seeds(task.noise, task.seeds)}),
    Search("local-search", "local search", local_search,
           lambda task, size: {"retract": SEARCH_RETRACTION, "radius": size, "seed": task.seeds[0]}, doublings(0.05)),
    Search("spectral-evolution", "spectral evolution", spectral_evolution_search,
           lambda task, size: {"band": HaarBand(), "seed": task.seeds[0]}),
)}
# GPER with one thing changed: compared when they are named.
VARIANTS = {method.name: method for method in (
    *(_gper(f"gper-block{size}", f"GPER, blocks of {size}", block_size=size) for size in (4, 64)),
    _gper("gper-gradient", "GPER, gradient only", project_latent=False),
    _gper("gper-latent", "GPER, latent only", project_gradient=False),
)}
METHODS: dict[str, Contender] = PUBLISHED | SEARCHES | VARIANTS
BASELINES = tuple(name for name in PUBLISHED if name != REFERENCE)


def _effort(name: str, label: str, effort: Effort, steps: int | None) -> Ascent:
    recipe = replace(GPER.stepping(effort.step_rule), strength=effort.strength)
    return Ascent(name, label, REFERENCE, recipe, (), effort.seeds_first, steps)


# What the Noise Optimizer's efforts do, at the learning rate that the node takes by itself; "balanced" also with as
# many steps as fit into the budget.
EFFORT_RUNS = {run.name: run for run in (
    *(_effort(f"effort-{name}", f"effort {name}", effort, effort.steps) for name, effort in EFFORTS.items()),
    _effort(LONGER, "effort balanced, all the time", SHIPPED, None))}


def contenders(methods: Sequence[str], ways: Sequence[str], efforts: Sequence[str] = (),
               left_out: Sequence[str] = ()) -> dict[str, Contender]:
    """By name: the methods in those ways, a plain one by its method's name, searches as they are; of `EFFORT_RUNS`;
    without those left out."""
    found = [METHODS[name] if way == "plain" or name in SEARCHES else in_way(METHODS[name], way)
             for name in methods for way in (ways[:1] if name in SEARCHES else ways)]
    return {contender.name: contender for contender in (*found, *(EFFORT_RUNS[name] for name in efforts))
            if contender.name not in left_out}
