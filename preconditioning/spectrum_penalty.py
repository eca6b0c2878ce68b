"""MPGR: penalties on the moments of the noise and on the magnitudes of its spectrum.

Hwang, Kim and Sung, "Moment- and Power-Spectrum-Based Gaussianity Regularization for Text-to-Image Models"
(arXiv 2509.07027):

    P(x) = |mean(x)| + |sqrt(mean(x^2)) - 1| + 25 mean_b | mean_(k in b) |y_k| - sqrt(pi)/2 |,

with y the spectrum of a random permutation of x and b its blocks of 16 frequencies. Here y is the compact
spectrum, whose N/2 bins are all CN(0, 1) for white noise; the other half of a full DFT repeats them.
"""

import math
from dataclasses import dataclass

import torch

from .permutations import permutation_generators
from .spectral_blocks import BLOCK_SIZE, check_block_size, spectral_blocks
from .spectrum import compact_spectrum, from_compact_spectrum


def _spectrum_gradient(flat: torch.Tensor, block_size: int) -> torch.Tensor:
    """Gradient of mean_b |mean_(k in b) |y_k| - sqrt(pi)/2| in each row of `flat`, before any permutation."""
    y = compact_spectrum(flat)
    magnitudes = y.abs()
    groups = spectral_blocks(y.shape[-1], block_size)
    blocks = sum(group.count for group in groups)
    slope = torch.cat(
        [
            ((group.of(magnitudes).mean(-1, keepdim=True) - math.sqrt(math.pi) / 2).sign() / (blocks * group.length))
            .expand(-1, -1, group.length)
            .flatten(1)
            for group in groups
        ],
        -1,
    )
    # ||x||^2 = 2 ||y||^2 makes the adjoint of x -> y half its inverse.
    return from_compact_spectrum(y.sgn() * slope) / 2


@dataclass(frozen=True)
class SpectrumPenalty:
    """Subtracts the penalty's gradient, brought to the length of the reward's gradient in each sample.

    Attributes:
        weight: length of the penalty's gradient against the reward's; the paper uses 1.
        spectrum_weight: weight of the spectrum against the moments; the paper uses 25.
        block_size: frequencies per block, at least 2; the paper uses 16.
        seed: chooses the random permutations, see `permutation_generators`.

    Raises:
        ValueError: on construction for a `block_size` below 2; in use for an odd number of elements per sample.
    """

    weight: float = 1.0
    spectrum_weight: float = 25.0
    block_size: int = BLOCK_SIZE
    seed: int = 0

    def __post_init__(self) -> None:
        check_block_size(self.block_size)

    def penalty_gradient(self, noise: torch.Tensor) -> torch.Tensor:
        """dP/dx at `noise` (batch, ...), of its shape, in float32 (float64 for float64 noise)."""
        flat = noise.flatten(1).to(torch.promote_types(noise.dtype, torch.float32))
        count = flat.shape[1]
        mean = flat.mean(1, keepdim=True)
        rms = flat.square().mean(1, keepdim=True).sqrt()
        moments = mean.sign() / count + (rms - 1).sign() * flat / (count * torch.where(rms > 0, rms, 1))
        order = torch.stack(
            [
                torch.randperm(count, generator=generator, device=flat.device)
                for generator in permutation_generators(flat, self.seed)
            ]
        )
        permuted = _spectrum_gradient(flat.gather(1, order), self.block_size)
        spectrum = torch.empty_like(flat).scatter_(1, order, permuted)
        return (moments + self.spectrum_weight * spectrum).reshape(noise.shape)

    def precondition(self, gradient: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        penalty = self.penalty_gradient(noise)
        lengths = [
            torch.linalg.vector_norm(tensor.flatten(1).to(penalty.dtype), dim=1) for tensor in (gradient, penalty)
        ]
        scale = lengths[0] / torch.where(lengths[1] > 0, lengths[1], 1)
        scale = self.weight * scale.view(-1, *[1] * (noise.dim() - 1))
        return (gradient - scale * penalty).to(gradient.dtype)

    def retract(self, noise: torch.Tensor) -> torch.Tensor:
        return noise
