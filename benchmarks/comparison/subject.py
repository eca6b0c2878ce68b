"""What methods are compared on."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from torch import Tensor

Score = Callable[[Tensor, list[str]], Tensor]
Judge = Callable[[Tensor], Tensor]


class Subject(Protocol):
    """A generator, the reward that is climbed, and those who watch.

    name: for titles and file names. latent_shape: (C, H, W) of one noise. prompts: noise i gets prompt
    i modulo their number. held_out: scores by name, larger is better. judges: realism errors by name, per
    picture, smaller is better. Pictures are (B, 3, H, W) in [0, 1], scores and errors (B,).
    """

    name: str
    latent_shape: tuple[int, ...]
    prompts: Sequence[str]
    held_out: dict[str, Score]
    judges: dict[str, Judge]

    def generate(self, noise: Tensor, prompts: list[str]) -> Tensor:
        """Pictures of noises (B, C, H, W) as the methods see them; differentiable unless under no_grad."""
        ...

    def reward(self, images: Tensor, prompts: list[str]) -> Tensor:
        """The target."""
        ...

    def feature_distance(self, images: Tensor) -> float | None:
        """Frechet distance of the pictures' features to those of true pictures; None where no such are known."""
        ...

    def sound_pictures(self, count: int) -> Tensor | None:
        """Pictures as good for the target as they can be without any optimized noise; None where none are known."""
        ...

    def graph_context(self) -> AbstractContextManager:
        """What a forward and its backward run in."""
        ...
