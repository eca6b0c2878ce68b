"""The call shape shared by everything that keeps an ascent near white noise, and its two plain members.

`precondition(gradient, noise)` turns the reward's gradient into the direction the optimizer is given;
`retract(noise)` returns the noise to where it may be after the step. Both take and return (batch, ...)
tensors of one shape, dtype and device, treat the samples of a batch apart and change nothing in place.
"""

from dataclasses import dataclass
from typing import Protocol

import torch

from .band_quantiles import check_confidence
from .confined_noise import confine_white_gaussian
from .spectra import named_spectrum
from .spectral_blocks import BLOCK_SIZE, check_block_size
from .white_noise import project_white_gaussian
from .white_rows import unit_rms


class Preconditioner(Protocol):
    """What an ascent needs to know of a preconditioner."""

    def precondition(self, gradient: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Direction to climb: `gradient` (batch, ...) of the reward at `noise`, preconditioned."""
        ...

    def retract(self, noise: torch.Tensor) -> torch.Tensor:
        """`noise` (batch, ...) after a step, brought back."""
        ...


@dataclass(frozen=True)
class Unconstrained:
    """Plain gradient ascent: both maps are the identity."""

    def precondition(self, gradient: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        return gradient

    def retract(self, noise: torch.Tensor) -> torch.Tensor:
        return noise


@dataclass(frozen=True)
class WhiteGaussianProjector:
    """GPER (arXiv 2602.08646): gradient and noise are both projected onto vectors that look like white noise.

    Attributes:
        block_size: frequencies per block, at least 2. Smaller holds the spectrum flatter; the paper uses 16.
        project_gradient: project the gradient, so that every step has the size and spectrum of white noise.
        project_latent: project the noise after every step.
        spectrum: whose blocks are held, "flat" (the paper's), "per channel" or "volume"; see `spectra`.
        confidence: None for the paper's projection, where every block has the norms of white noise on average;
            0.5 to 0.999 for `confine_white_gaussian`, where they may scatter as those of white noise do. A
            gradient is then first brought to norm sqrt(N), per channel with that spectrum.

    Raises:
        ValueError: on construction for a `block_size` below 2, an unknown `spectrum` or a `confidence` out of
            range; in use as `project_white_gaussian`, except that samples that are not finite become NaN, which
            an ascent notices, without making the host wait for an accelerator.
    """

    block_size: int = BLOCK_SIZE
    project_gradient: bool = True
    project_latent: bool = True
    spectrum: str = "flat"
    confidence: float | None = None

    def __post_init__(self) -> None:
        check_block_size(self.block_size)
        named_spectrum(self.spectrum)
        if self.confidence is not None:
            check_confidence(self.confidence)

    def precondition(self, gradient: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Nearest white noise to the gradient, norm sqrt(N) per sample. A zero sample (or channel) stays zero."""
        if not self.project_gradient:
            return gradient
        split = named_spectrum(self.spectrum).split
        rows = split(gradient)
        silent = rows.flatten(1).abs().amax(1) == 0
        if self.confidence is not None:
            gradient = unit_rms(rows).view_as(gradient)
        whitened = split(self._whitened(gradient))
        return whitened.masked_fill(silent.view(-1, *[1] * (rows.dim() - 1)), 0).view_as(gradient)

    def retract(self, noise: torch.Tensor) -> torch.Tensor:
        """Nearest white noise to the noise; with a `confidence` a near one, and a plausible noise as it is."""
        return self._whitened(noise) if self.project_latent else noise

    def _whitened(self, x: torch.Tensor) -> torch.Tensor:
        if self.confidence is None:
            return project_white_gaussian(x, self.block_size, self.spectrum, check_finite=False)
        return confine_white_gaussian(x, self.confidence, self.block_size, self.spectrum)
