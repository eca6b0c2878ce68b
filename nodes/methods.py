"""The ways to search for better noise: what each does with the Noise Optimizer's settings."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import comfy.sample
import torch
from torch import Tensor

from ..optimization import AscentRecord, Step, Stopping, ascend, best_of_seeds, local_search
from ..optimization.local_search import RADIUS
from ..preconditioning import NormPenalty, SpectrumPenalty, SubsetPenalty, Unconstrained, WhiteGaussianProjector
from ..preconditioning.preconditioner import Preconditioner
from .differentiable.model_presets import ModelPreset, learning_rate_text

OWN_CLIP = 0.03  # the Noise Optimizer's gradient_clip that stands for the method's own
OWN_LEARNING_RATE = 0.0  # the same of its learning_rate
LONGEST_STEP = 0.5  # learning rate 5 times gradient clip 0.1, ReNO's

Search = Callable[..., AscentRecord]
Callback = Callable[[Step], str | None]


@dataclass(frozen=True)
class Settings:
    """What the Noise Optimizer was given.

    learning_rate, gradient_clip: its widgets. preset: of the model. latent: LATENT to draw noise for. seed: of the
    start noise.
    """

    learning_rate: float
    gradient_clip: float
    preset: ModelPreset
    latent: dict
    seed: int


class Method(Protocol):
    """One way to search.

    name: in the node and the report. needs_gradient: whether the run goes backward through model, VAE and reward.
    """

    name: str
    needs_gradient: bool

    def search(self, settings: Settings, stopping: Stopping, callback: Callback) -> Search:
        """``ascend`` or a search with everything bound but noise, generate, reward and how to run with gradients."""
        ...

    def step_size(self, settings: Settings) -> float:
        """The learning rate that is used; 0 where there is none."""
        ...

    def text(self, settings: Settings) -> str:
        """Sentences on the method and its settings, for the report and the log."""
        ...

    def seeds(self, settings: Settings, record: AscentRecord) -> list[int]:
        """The seed of each picture's best noise, where that is a plain draw; else empty."""
        ...

    def with_projector(self, projector: Preconditioner | None) -> "Method":
        """The method with the projector that is connected to the Noise Optimizer, or ValueError if it uses none."""
        ...


@dataclass(frozen=True)
class StepRule:
    """An optimizer. adaptive: its steps do not depend on the length of the gradient."""

    make: Callable[..., torch.optim.Optimizer]
    adaptive: bool


OPTIMIZERS = {
    "Adam": StepRule(torch.optim.Adam, adaptive=True),
    "AdamW": StepRule(torch.optim.AdamW, adaptive=True),
    "Nesterov": StepRule(partial(torch.optim.SGD, momentum=0.9, nesterov=True), adaptive=False),
    "SGD": StepRule(torch.optim.SGD, adaptive=False),
}


@dataclass(frozen=True)
class GradientMethod:
    """Ascent with a preconditioner.

    optimizer: one of OPTIMIZERS. clip: the method's own gradient clip.

    Its own learning rate is the model's preset for adaptive optimizers. Others move by learning rate times gradient,
    at most the clip: they take LONGEST_STEP over the clip, which is ReNO's published 5 at its published clip.
    """

    name: str
    preconditioner: Preconditioner
    optimizer: str
    clip: float
    needs_gradient: bool = True

    def search(self, settings: Settings, stopping: Stopping, callback: Callback) -> Search:
        return partial(
            ascend,
            preconditioner=self.preconditioner,
            optimizer=partial(OPTIMIZERS[self.optimizer].make, lr=self.step_size(settings)),
            max_gradient_norm=self._clip(settings) or None,
            stopping=stopping,
            callback=callback,
        )

    def step_size(self, settings: Settings) -> float:
        if settings.learning_rate != OWN_LEARNING_RATE:
            return settings.learning_rate
        if OPTIMIZERS[self.optimizer].adaptive:
            return settings.preset.learning_rate
        return LONGEST_STEP / (self._clip(settings) or self.clip)

    def text(self, settings: Settings) -> str:
        clip = self._clip(settings)
        said = f"Method: {self.name} ({self.optimizer}, {f'gradient clip {clip:g}' if clip else 'no gradient clip'})."
        if OPTIMIZERS[self.optimizer].adaptive:
            return f"{said} {learning_rate_text(settings.preset, settings.learning_rate)}"
        source = "the method's own" if settings.learning_rate == OWN_LEARNING_RATE else "set by hand"
        return f"{said} {settings.preset.name}: learning rate {self.step_size(settings):g}, {source}."

    def seeds(self, settings: Settings, record: AscentRecord) -> list[int]:
        return []

    def with_projector(self, projector: Preconditioner | None) -> "GradientMethod":
        if projector is None:
            return self
        if not isinstance(self.preconditioner, WhiteGaussianProjector):
            raise ValueError(_no_projector(self.name))
        return replace(self, preconditioner=projector)

    def _clip(self, settings: Settings) -> float:
        return self.clip if settings.gradient_clip == OWN_CLIP else settings.gradient_clip


@dataclass(frozen=True)
class SeedSearch:
    """Best of seeds: step k tries the noise that RandomNoise has for the start's seed plus k."""

    name: str = "best of seeds"
    needs_gradient: bool = False

    def search(self, settings: Settings, stopping: Stopping, callback: Callback) -> Search:
        latent = settings.latent

        def draw(step: int) -> Tensor:
            seed = _seed_of(settings, step)
            return comfy.sample.prepare_noise(latent["samples"], seed, latent.get("batch_index"))

        return partial(best_of_seeds, draw=draw, stopping=stopping, callback=callback)

    def step_size(self, settings: Settings) -> float:
        return 0.0

    def text(self, settings: Settings) -> str:
        return f"Method: {self.name}, without gradients: a picture's seed is the noise's seed plus its step."

    def seeds(self, settings: Settings, record: AscentRecord) -> list[int]:
        return [_seed_of(settings, step) for step in record.best_step.tolist()]

    def with_projector(self, projector: Preconditioner | None) -> "SeedSearch":
        if projector is not None:
            raise ValueError(_no_projector(self.name))
        return self


def _seed_of(settings: Settings, step: int) -> int:
    return (settings.seed + step) % 2**64


@dataclass(frozen=True)
class LocalSearch:
    """Zero-order local search on the white-Gaussian set; radius as for ``local_search``."""

    radius: float = RADIUS
    name: str = "local search"
    needs_gradient: bool = False

    def search(self, settings: Settings, stopping: Stopping, callback: Callback) -> Search:
        return partial(
            local_search,
            retract=WhiteGaussianProjector().retract,
            radius=self.radius,
            seed=settings.seed,
            stopping=stopping,
            callback=callback,
        )

    def step_size(self, settings: Settings) -> float:
        return 0.0

    def text(self, settings: Settings) -> str:
        return f"Method: {self.name}, without gradients, radius {self.radius:g}."

    def seeds(self, settings: Settings, record: AscentRecord) -> list[int]:
        return []

    def with_projector(self, projector: Preconditioner | None) -> "LocalSearch":
        if projector is not None:
            raise ValueError(_no_projector(self.name))
        return self


def _no_projector(name: str) -> str:
    return (
        f"A projector is connected, but the method {name} uses none: disconnect the White-Gaussian Projector, or set "
        "the Optimization Method to GPER."
    )


# With their published optimizers and gradient clips: GPER arXiv 2602.08646; MPGR arXiv 2509.07027; PRNO arXiv
# 2405.18881 and its authors' code; ReNO arXiv 2406.04312.
METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        GradientMethod("GPER", WhiteGaussianProjector(), "Adam", 0.03),
        GradientMethod("MPGR", SpectrumPenalty(), "Nesterov", 0.01),
        GradientMethod("PRNO", SubsetPenalty(), "AdamW", 1.0),
        GradientMethod("ReNO", NormPenalty(), "Nesterov", 0.1),
        GradientMethod("none", Unconstrained(), "Adam", 0.03),
        SeedSearch(),
        LocalSearch(),
    )
}
DEFAULT_METHOD = METHODS["GPER"]
