"""The ways to search for better noise: what each does with the Noise Optimizer's settings."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from torch import Tensor

from ...optimization import Preconditioner, RunRecord, Step, Stopping, ascend, best_of_seeds, local_search
from ...optimization.local_search import RADIUS
from ...preconditioning import RECIPES, Recipe, Unconstrained, WhiteGaussianProjector
from ...preconditioning.recipes import SEARCH_RETRACTION
from ..differentiable.model_presets import ModelPreset, learning_rate_text

OWN_LEARNING_RATE = 0.0  # the Noise Optimizer's learning_rate that stands for the method's or the model's own

Search = Callable[..., RunRecord]
Callback = Callable[[Step], str | None]


@dataclass(frozen=True)
class Settings:
    """What the Noise Optimizer was given.

    Attributes:
        learning_rate: its widget.
        preset: of the model.
        latent: LATENT to draw noise for.
        seed: of the start noise.
    """

    learning_rate: float
    preset: ModelPreset
    latent: dict
    seed: int


class Method(Protocol):
    """One way to search.

    Attributes:
        name: in the node.
        label: name and settings, for the noise file.
        needs_gradient: whether the run goes backward through model, VAE and reward.
        unused: inputs that were set or connected, but mean nothing to this method.
    """

    name: str
    label: str
    needs_gradient: bool
    unused: tuple[str, ...]

    def search(self, settings: Settings, stopping: Stopping, callback: Callback) -> Search:
        """`ascend` or a search with everything bound but noise, generate, reward and how to run with gradients."""
        ...

    def step_size(self, settings: Settings) -> float:
        """The learning rate that is used; 0 where there is none."""
        ...

    def text(self, settings: Settings) -> str:
        """Sentences on the method and its settings, for the report and the log."""
        ...

    def seeds(self, settings: Settings, record: RunRecord) -> list[int]:
        """The seed of each picture's best noise, where that is a plain draw; else empty."""
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

    @property
    def label(self) -> str:
        settings = _settings(self.recipe.preconditioner)
        return f"{self.name} ({settings})" if settings else self.name

    def search(self, settings: Settings, stopping: Stopping, callback: Callback) -> Search:
        chosen = self.recipe.arguments(self.step_size(settings))
        return partial(ascend, **chosen, stopping=stopping, callback=callback)

    def step_size(self, settings: Settings) -> float:
        return settings.learning_rate or self.recipe.learning_rate(settings.preset.learning_rate)

    def text(self, settings: Settings) -> str:
        recipe = self.recipe
        how = [recipe.optimizer, f"gradient clip {recipe.clip:g}" if recipe.clip else "no gradient clip"]
        about_noise = _settings(recipe.preconditioner)
        said = f"Method: {self.name} ({', '.join(how + [about_noise] * bool(about_noise))}).{_ignored(self.unused)}"
        if recipe.adaptive:
            return f"{said} {learning_rate_text(settings.preset, settings.learning_rate)}"
        source = "the method's own" if settings.learning_rate == OWN_LEARNING_RATE else "set by hand"
        return f"{said} {settings.preset.name}: learning rate {self.step_size(settings):g}, {source}."

    def seeds(self, settings: Settings, record: RunRecord) -> list[int]:
        return []

    def with_projector(self, projector: Preconditioner | None) -> "GradientMethod":
        if projector is None:
            return self
        if not isinstance(self.recipe.preconditioner, WhiteGaussianProjector):
            return replace(self, unused=(*self.unused, "projector"))
        return replace(self, recipe=replace(self.recipe, preconditioner=projector))


@dataclass(frozen=True)
class SeedSearch:
    """Best of seeds: step k tries the noise that RandomNoise has for the start's seed plus k."""

    unused: tuple[str, ...] = ()
    name: str = "best of seeds"
    needs_gradient: bool = False

    @property
    def label(self) -> str:
        return self.name

    def search(self, settings: Settings, stopping: Stopping, callback: Callback) -> Search:
        import comfy.sample

        latent = settings.latent

        def draw(step: int) -> Tensor:
            seed = _seed_of(settings, step)
            return comfy.sample.prepare_noise(latent["samples"], seed, latent.get("batch_index"))

        return partial(best_of_seeds, draw=draw, stopping=stopping, callback=callback)

    def step_size(self, settings: Settings) -> float:
        return 0.0

    def text(self, settings: Settings) -> str:
        return (
            f"Method: {self.name}, without gradients: a picture's seed is the noise's seed plus its step."
            f"{_ignored(_with_learning_rate(self.unused, settings))}"
        )

    def seeds(self, settings: Settings, record: RunRecord) -> list[int]:
        return [_seed_of(settings, step) for step in record.best_step.tolist()]

    def with_projector(self, projector: Preconditioner | None) -> "SeedSearch":
        return self if projector is None else replace(self, unused=(*self.unused, "projector"))


def _seed_of(settings: Settings, step: int) -> int:
    return (settings.seed + step) % 2**64


@dataclass(frozen=True)
class LocalSearch:
    """Zero-order local search on the white-Gaussian set; radius as for `local_search`."""

    radius: float = RADIUS
    unused: tuple[str, ...] = ()
    name: str = "local search"
    needs_gradient: bool = False

    @property
    def label(self) -> str:
        return f"{self.name} (radius {self.radius:g})"

    def search(self, settings: Settings, stopping: Stopping, callback: Callback) -> Search:
        return partial(
            local_search,
            retract=SEARCH_RETRACTION,
            radius=self.radius,
            seed=settings.seed,
            stopping=stopping,
            callback=callback,
        )

    def step_size(self, settings: Settings) -> float:
        return 0.0

    def text(self, settings: Settings) -> str:
        ignored = _ignored(_with_learning_rate(self.unused, settings))
        return f"Method: {self.name}, without gradients, radius {self.radius:g}.{ignored}"

    def seeds(self, settings: Settings, record: RunRecord) -> list[int]:
        return []

    def with_projector(self, projector: Preconditioner | None) -> "LocalSearch":
        return self if projector is None else replace(self, unused=(*self.unused, "projector"))


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


def _with_learning_rate(unused: tuple[str, ...], settings: Settings) -> tuple[str, ...]:
    return unused if settings.learning_rate == OWN_LEARNING_RATE else (*unused, "learning_rate")


def _ignored(unused: tuple[str, ...]) -> str:
    return f" Not used by this method: {', '.join(unused)}." if unused else ""


METHODS: dict[str, Method] = {
    method.name: method for method in (*map(GradientMethod, RECIPES.values()), SeedSearch(), LocalSearch())
}
DEFAULT_METHOD = METHODS["GPER"]
