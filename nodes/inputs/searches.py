"""The ways to search for better noise without gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from ...optimization import best_of_seeds, local_search, spectral_evolution_search
from ...optimization.local_search import RADIUS
from ...preconditioning import HaarBand
from ...preconditioning.recipes import SEARCH_RETRACTION
from ...preconditioning.strength import NO_LIMIT
from .settings import OWN_LEARNING_RATE, OWN_STEP_RULE, SEED_STRIDE, Settings, ignored

if TYPE_CHECKING:
    from ...optimization import Preconditioner, RunRecord, Step, Stopping


@dataclass(frozen=True)
class GradientFree:
    """What the searches have in common; see `methods.Method`."""

    unused: tuple[str, ...] = ()
    needs_gradient: bool = False

    def label(self, settings: Settings) -> str:
        return self.name

    def step_size(self, settings: Settings) -> float:
        return 0.0

    def seeds(self, settings: Settings, record: RunRecord) -> list[int]:
        return []

    def start_seeds(self, settings: Settings, record: RunRecord) -> list[int]:
        return []

    def plain_seeds(self, settings: Settings, stopping: Stopping) -> int:
        return 1

    def with_projector(self, projector: Preconditioner | None) -> GradientFree:
        return self if projector is None else replace(self, unused=(*self.unused, "projector"))

    def _ignored(self, settings: Settings) -> str:
        set_in_vain = {
            "learning_rate": settings.learning_rate != OWN_LEARNING_RATE,
            "seeds_first": settings.seeds_first > 1,
            "strength": settings.strength != NO_LIMIT,
            "step_rule": settings.step_rule != OWN_STEP_RULE,
        }
        return ignored((*self.unused, *(name for name, changed in set_in_vain.items() if changed)))


@dataclass(frozen=True)
class SeedSearch(GradientFree):
    """Best of seeds: step k tries the noise that RandomNoise has for the start's seed plus k times `SEED_STRIDE`."""

    name: str = "best of seeds"

    def search(
        self, settings: Settings, stopping: Stopping, callback: Callable[[Step], str | None]
    ) -> Callable[..., RunRecord]:
        return partial(best_of_seeds, draw=settings.draw, stopping=stopping, callback=callback)

    def text(self, settings: Settings) -> str:
        return (
            f"Method: {self.name}, without gradients: a picture's seed is the noise's seed plus {SEED_STRIDE} times "
            f"its step.{self._ignored(settings)}"
        )

    def plain_seeds(self, settings: Settings, stopping: Stopping) -> int:
        return stopping.steps + 1

    def seeds(self, settings: Settings, record: RunRecord) -> list[int | None]:
        return settings.seeds_of(record.best_step.tolist())


@dataclass(frozen=True)
class LocalSearch(GradientFree):
    """Zero-order local search on the white-Gaussian set; radius as for `local_search`."""

    radius: float = RADIUS
    name: str = "local search"

    def label(self, settings: Settings) -> str:
        return f"{self.name} (radius {self.radius:g})"

    def search(
        self, settings: Settings, stopping: Stopping, callback: Callable[[Step], str | None]
    ) -> Callable[..., RunRecord]:
        return partial(
            local_search,
            retract=SEARCH_RETRACTION,
            radius=self.radius,
            seed=settings.seed,
            stopping=stopping,
            callback=callback,
        )

    def text(self, settings: Settings) -> str:
        return f"Method: {self.name}, without gradients, radius {self.radius:g}.{self._ignored(settings)}"


@dataclass(frozen=True)
class EvolutionSearch(GradientFree):
    """Spectral evolution search over the coarse part of the noise."""

    name: str = "spectral evolution"

    def search(
        self, settings: Settings, stopping: Stopping, callback: Callable[[Step], str | None]
    ) -> Callable[..., RunRecord]:
        return partial(
            spectral_evolution_search, band=HaarBand(), seed=settings.seed, stopping=stopping, callback=callback
        )

    def text(self, settings: Settings) -> str:
        return f"Method: {self.name}, without gradients: evolves the coarse part of the noise.{self._ignored(settings)}"
