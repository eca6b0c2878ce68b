"""What the Noise Optimizer was given, as the methods see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from ...preconditioning.strength import NO_LIMIT
from ..differentiable.model_presets import ModelPreset

OWN_STEP_RULE = "as the method"
# Far enough apart that two runs with neighbouring seeds (a list, a batch, "increment") try no seed both, and small
# enough that a page's number, exact to 2**53, can hold them.
SEED_STRIDE = 1_000_003
OWN_LEARNING_RATE = 0.0  # the Noise Optimizer's learning_rate that stands for the method's or the model's own


@dataclass(frozen=True)
class Settings:
    """The Noise Optimizer's settings for one run.

    Attributes:
        learning_rate: its widget.
        preset: of the model.
        latent: LATENT to draw noise for.
        seed: of the start noise.
        start: the start noise (B, C, ...).
        seeds_first: how many seeds are tried before an ascent, the noise's own among them; 0 or 1 for none. None are
            where that of a picture is `given`: who connects one wants it, and not a stranger that scores higher.
        strength: how far an ascent may leave its start; 1 for no limit.
        step_rule: one of `STEP_RULES`.
    """

    learning_rate: float
    preset: ModelPreset
    latent: dict
    seed: int
    start: Tensor
    seeds_first: int = 0
    strength: float = NO_LIMIT
    step_rule: str = OWN_STEP_RULE

    @property
    def tries_seeds(self) -> bool:
        """Whether seeds are tried before an ascent: one of them is the noise's own, which needs no trial."""
        return self.seeds_first > 1 and not self.given.any()

    def seed_of(self, step: int) -> int:
        """The seed that is tried so many after that of the start noise."""
        return (self.seed + step * SEED_STRIDE) % 2**64

    def seeds_of(self, steps: Sequence[int]) -> list[int | None]:
        """The seed of each picture's noise, the start noise or that of a `draw`; None where no seed draws the start,
        and empty where none draws that of any picture.

        An optimized noise, or one of another pack, is not what RandomNoise has for its seed.
        """
        given = self.given.tolist()
        seeds = [None if given[picture] and not step else self.seed_of(step) for picture, step in enumerate(steps)]
        return seeds if any(seed is not None for seed in seeds) else []

    @cached_property
    def given(self) -> Tensor:
        """(B,) bool, the pictures whose start noise is not what RandomNoise has for its seed."""
        return (self.start.cpu() != self.draw(0)).flatten(1).any(1)

    def draw(self, step: int) -> Tensor:
        """The noise that RandomNoise has for `seed_of` this step."""
        import comfy.sample

        return comfy.sample.prepare_noise(self.latent["samples"], self.seed_of(step), self.latent.get("batch_index"))


def ignored(unused: tuple[str, ...]) -> str:
    """A sentence on inputs that mean nothing to a method; empty without any."""
    return f" Not used by this method: {', '.join(unused)}." if unused else ""
