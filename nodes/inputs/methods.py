"""The ways to search for better noise: what each does with the Noise Optimizer's settings."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from typing import Protocol

from ...optimization import Preconditioner, RunRecord, SeedsFirst, Step, Stopping, ascend
from ...preconditioning import RECIPES, Recipe, Unconstrained, WhiteGaussianProjector
from ...preconditioning.strength import NO_LIMIT
from ..differentiable.model_presets import learning_rate_text
from .searches import EvolutionSearch, LocalSearch, SeedSearch
from .settings import OWN_LEARNING_RATE, OWN_STEP_RULE, Settings, ignored

Search = Callable[..., RunRecord]
Callback = Callable[[Step], str | None]


class Method(Protocol):
    """One way to search.

    Attributes:
        name: in the node.
        needs_gradient: whether the run goes backward through model, VAE and reward.
        unused: inputs that were set or connected, but mean nothing to this method.
    """

    name: str
    needs_gradient: bool
    unused: tuple[str, ...]

    def search(self, settings: Settings, stopping: Stopping, callback: Callback) -> Search:
        """`ascend` or a search with everything bound but noise, generate, reward and how to run with gradients."""
        ...

    def step_size(self, settings: Settings) -> float:
        """The learning rate that is used; 0 where there is none."""
        ...

    def label(self, settings: Settings) -> str:
        """Name and settings, for the noise file."""
        ...

    def text(self, settings: Settings) -> str:
        """Sentences on the method and its settings, for the report and the log."""
        ...

    def seeds(self, settings: Settings, record: RunRecord) -> list[int | None]:
        """The seed of each picture's best noise, None where that is no plain draw; empty where none is."""
        ...

    def start_seeds(self, settings: Settings, record: RunRecord) -> list[int]:
        """The seed of each picture's noise that the ascent started from, where seeds were tried first; else empty."""
        ...

    def plain_seeds(self, settings: Settings, stopping: Stopping) -> int:
        """How many of the run's first evaluations are of seeds as they are drawn, the start noise among them."""
        ...

    def with_projector(self, projector: Preconditioner | None) -> "Method":
        """The method with the projector that is connected to the Noise Optimizer, or the same if it uses none."""
        ...


@dataclass(frozen=True)
class GradientMethod:
    """Ascent by a recipe. With learning rate 0, adaptive optimizers take the model's preset."""

    recipe: Recipe
    unused: tuple[str, ...] = ()
    needs_gradient: bool = True

    @property
    def name(self) -> str:
        # A projector that projects nothing is plain ascent, and must not pass for GPER in a file.
        return "none" if _projects_nothing(self.recipe.preconditioner) else self.recipe.name

    def label(self, settings: Settings) -> str:
        rule = "" if settings.step_rule == OWN_STEP_RULE else f"{settings.step_rule} steps"
        details = ", ".join(filter(None, (_settings(self.recipe.preconditioner), rule)))
        return f"{self.name} ({details})" if details else self.name

    def search(self, settings: Settings, stopping: Stopping, callback: Callback) -> Search:
        recipe = replace(self._stepping(settings), strength=settings.strength)
        first = SeedsFirst(settings.seeds_first, settings.draw) if settings.tries_seeds else None
        chosen = recipe.arguments(self.step_size(settings))
        return partial(ascend, **chosen, stopping=stopping, callback=callback, seeds_first=first)

    def step_size(self, settings: Settings) -> float:
        return settings.learning_rate or self._stepping(settings).learning_rate(settings.preset.learning_rate)

    def text(self, settings: Settings) -> str:
        recipe = self._stepping(settings)
        how = [
            recipe.optimizer + (", steps that fall" if recipe.schedule == "falling" else ""),
            f"gradient clip {recipe.clip:g}" if recipe.clip else "no gradient clip",
            _settings(recipe.preconditioner),
        ]
        unused = ignored((*self.unused, *self._replaced(settings)))
        said = [f"Method: {self.name} ({', '.join(filter(None, how))}).{unused}"]
        if settings.tries_seeds:
            said.append(f"Starts from the best of {settings.seeds_first} seeds, the noise's own and further ones.")
        elif settings.seeds_first > 1:
            said.append("Starts from the connected noise: only for that of RandomNoise are other seeds tried first.")
        if settings.strength != NO_LIMIT:
            said.append(f"Stays within strength {settings.strength:g} of its start.")
        if recipe.adaptive:
            said.append(learning_rate_text(settings.preset, settings.learning_rate, recipe.rate_factor))
        else:
            source = "the method's own" if settings.learning_rate == OWN_LEARNING_RATE else "set by hand"
            said.append(f"{settings.preset.name}: learning rate {self.step_size(settings):g}, {source}.")
        return " ".join(said)

    def seeds(self, settings: Settings, record: RunRecord) -> list[int]:
        # A run that ended among its seeds has changed none of them.
        return [] if record.steps else self.start_seeds(settings, record)

    def start_seeds(self, settings: Settings, record: RunRecord) -> list[int]:
        return [settings.seed_of(step) for step in record.best_seed.tolist()] if record.seeds else []

    def plain_seeds(self, settings: Settings, stopping: Stopping) -> int:
        return settings.seeds_first if settings.tries_seeds else 1

    def _stepping(self, settings: Settings) -> Recipe:
        return self.recipe.stepping(settings.step_rule)

    def _replaced(self, settings: Settings) -> list[str]:
        """Inputs of the Optimization Method that were set, but in whose place the step rule puts its own."""
        published, chosen, stepping = RECIPES[self.recipe.name], self.recipe, self._stepping(settings)
        return [
            name
            for name, of in (("optimizer", attrgetter("optimizer")), ("gradient_clip", attrgetter("clip")))
            if of(chosen) not in (of(published), of(stepping))
        ]

    def with_projector(self, projector: Preconditioner | None) -> "GradientMethod":
        if projector is None:
            return self
        if not isinstance(self.recipe.preconditioner, WhiteGaussianProjector):
            return replace(self, unused=(*self.unused, "projector"))
        return replace(self, recipe=replace(self.recipe, preconditioner=projector))


def _projects_nothing(preconditioner: Preconditioner) -> bool:
    return isinstance(preconditioner, WhiteGaussianProjector) and not (
        preconditioner.project_gradient or preconditioner.project_latent
    )


def _settings(preconditioner: Preconditioner) -> str:
    """How noise is kept noise, in words."""
    if isinstance(preconditioner, Unconstrained):
        return ""
    if not isinstance(preconditioner, WhiteGaussianProjector):
        return f"penalty weight {preconditioner.weight:g}" if hasattr(preconditioner, "weight") else ""
    if _projects_nothing(preconditioner):
        return "the projector's boxes are both off"
    projected = [
        what
        for what, on in (("gradient", preconditioner.project_gradient), ("noise", preconditioner.project_latent))
        if on
    ]
    return f"block size {preconditioner.block_size}, {' and '.join(projected)} projected"


METHODS: dict[str, Method] = {
    method.name: method
    for method in (*map(GradientMethod, RECIPES.values()), SeedSearch(), LocalSearch(), EvolutionSearch())
}
DEFAULT_METHOD = METHODS["GPER"]
