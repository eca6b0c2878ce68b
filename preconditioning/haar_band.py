"""The lowest band of the Haar wavelet transform: the coarse layout that a noise gives a picture."""

from dataclasses import dataclass

import torch

LEVEL = 4  # blocks of 16 by 16 elements


@dataclass(frozen=True)
class HaarBand:
    """The coefficients of the lowest band of the orthonormal two-dimensional Haar transform, of rows and columns.

    At level l a coefficient is 2^l times the mean of a block of 2^l by 2^l elements (Haar 1910, "Zur Theorie der
    orthogonalen Funktionensysteme"), so white noise has white coefficients. Changing them leaves every detail as it is.

    Attributes:
        level: the largest l. Where 2^l does not divide both sides, the largest smaller one that does is taken, so that
            no block is padded, which would make its coefficient not white; at level 0 every element is a coefficient.

    Raises:
        ValueError: on construction for a level below 0; in use for a noise without rows and columns.
    """

    level: int = LEVEL

    def __post_init__(self) -> None:
        if self.level < 0:
            raise ValueError(f"the level is {self.level}: set it to 0 or more; {LEVEL} is usual")

    def side(self, noise: torch.Tensor) -> int:
        """Elements along the side of a block of `noise` (batch, ..., height, width)."""
        if noise.dim() < 3:
            raise ValueError(
                f"noise of shape {tuple(noise.shape)} has no rows and columns: it must have shape "
                "(batch, ..., height, width)"
            )
        height, width = noise.shape[-2:]
        level = next(n for n in range(self.level, -1, -1) if height % 2**n == 0 and width % 2**n == 0)
        return 2**level

    def coefficients(self, noise: torch.Tensor) -> torch.Tensor:
        """Of `noise` (batch, ..., height, width): (batch, d), of its dtype."""
        return (self.side(noise) * self._block_means(noise)).flatten(1)

    def replaced(self, noise: torch.Tensor, coefficients: torch.Tensor) -> torch.Tensor:
        """`noise` with other coefficients (batch, d) and its own details; a new tensor like `noise`."""
        side, means = self.side(noise), self._block_means(noise)
        change = coefficients.view_as(means).to(noise) / side - means
        return noise + change.repeat_interleave(side, -2).repeat_interleave(side, -1)

    def _block_means(self, noise: torch.Tensor) -> torch.Tensor:
        side = self.side(noise)
        return noise.unflatten(-1, (-1, side)).unflatten(-3, (-1, side)).mean((-3, -1))
