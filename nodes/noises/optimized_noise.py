"""A NOISE that holds an optimized tensor."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ...runs.noise_history import UNKNOWN, NoiseHistory

REMEDY = "Use the same width, height and batch size in both places, or optimize again for this size."


class OptimizedNoise:
    """Feeds SamplerCustomAdvanced with a noise that was optimized for one latent size.

    Args:
        seed: of the noise it grew from.
        noise: (B, C, ...) on the CPU.
        history: how it came about.
        remedy: what to do about a latent of another size, a sentence.
        batch_index: of the latent that it was optimized for; None where that one had none, which counts 0, 1, 2, ...
    """

    def __init__(
        self,
        seed: int,
        noise: Tensor,
        history: NoiseHistory = UNKNOWN,
        remedy: str = REMEDY,
        batch_index: Sequence[int] | None = None,
    ):
        self.seed = seed
        self.noise = noise
        self.history = history
        self.remedy = remedy
        self.batch_index = None if batch_index is None else [int(index) for index in batch_index]

    def generate_noise(self, input_latent: dict) -> Tensor:
        """The noise for the LATENT `input_latent`, typed like its samples.

        A latent with the `batch_index` of the optimized one, with none, or with one that shares no entry with it gets
        the samples in their order; any other `batch_index` picks those samples that were optimized under its entries.

        Raises:
            ValueError: the latent has another size or batch, or a sample cannot be told.
        """
        samples = input_latent["samples"]
        noise = self._picked(input_latent.get("batch_index"))
        if samples.shape != noise.shape:
            raise ValueError(
                f"This noise was optimized for a latent of shape {tuple(self.noise.shape)}, but the latent here has "
                f"shape {tuple(samples.shape)}. {self.remedy}"
            )
        return noise.to(samples.dtype, copy=True)

    def _picked(self, batch_index: Sequence[int] | None) -> Tensor:
        own = list(range(len(self.noise))) if self.batch_index is None else self.batch_index
        wanted = own if batch_index is None else [int(index) for index in batch_index]
        if wanted == own or not set(wanted) & set(own):
            return self.noise
        unknown = sorted(set(wanted) - set(own))
        if unknown:
            raise ValueError(
                f"The latent's batch_index is {wanted}, but this noise was optimized for {own}: there is none for "
                f"{unknown[0]}. Connect the latent that it was optimized for."
            )
        positions = [own.index(index) for index in wanted]
        for index in set(wanted):
            alike = self.noise[[position for position, entry in enumerate(own) if entry == index]]
            if not torch.equal(alike, alike[:1].expand_as(alike)):
                raise ValueError(
                    f"The latent's batch_index is {wanted}, and this noise was optimized for {own}, with different "
                    f"noises for {index}: sample the whole batch, and pick from the pictures afterwards."
                )
        return self.noise[positions]
