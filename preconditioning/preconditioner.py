"""The call shape shared by everything that keeps an ascent near white noise, and its two plain members.

The shape is `optimization.Preconditioner`:

`precondition(gradient, noise)` turns the reward's gradient into the direction the optimizer is given;
`retract(noise)` returns the noise to where it may be after the step. Both take and return (batch, ...)
tensors of one shape, dtype and device, treat the samples of a batch apart and change nothing in place.
"""

from dataclasses import dataclass

import torch

from .spectral_blocks import BLOCK_SIZE, check_block_size
from .white_noise import project_white_gaussian


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

    Raises:
        ValueError: on construction for a `block_size` below 2; in use as `project_white_gaussian`, except that
            samples that are not finite become NaN, which an ascent notices, without making the host wait for an
            accelerator.
    """

    block_size: int = BLOCK_SIZE
    project_gradient: bool = True
    project_latent: bool = True

    def __post_init__(self) -> None:
        check_block_size(self.block_size)

    def precondition(self, gradient: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Nearest white noise to the gradient, norm sqrt(N) per sample. A zero sample stays zero."""
        if not self.project_gradient:
            return gradient
        silent = gradient.flatten(1).abs().amax(1) == 0
        whitened = project_white_gaussian(gradient, self.block_size, check_finite=False)
        return whitened.masked_fill(silent.view(-1, *[1] * (gradient.dim() - 1)), 0)

    def retract(self, noise: torch.Tensor) -> torch.Tensor:
        """Nearest white noise to the noise."""
        return project_white_gaussian(noise, self.block_size, check_finite=False) if self.project_latent else noise
