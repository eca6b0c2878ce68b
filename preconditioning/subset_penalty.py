"""PRNO: penalty on the mean and the covariance of random subsets of the noise.

Tang et al., "Inference-Time Alignment of Diffusion Models with Direct Noise Optimization"
(arXiv 2405.18881, ICML 2025). A random permutation of the noise is cut into m = N // k vectors z_i of k
elements. For white noise, concentration bounds give the chance of a mean or a covariance as far off:

    M_1 = || mean_i z_i ||,               p_1 = min(1, 2 exp(-m M_1^2 / (2 k))),
    M_2 = || mean_i z_i z_i^T - I ||_2,   p_2 = min(1, 2 exp(-(m/2) max(sqrt(1 + M_2) - 1 - sqrt(k/m), 0)^2)).

The penalty is -(log p_1 + log p_2), averaged over permutations; O(N k) for each of them.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from .permutations import permutation_generators

_ELEMENTS_AT_ONCE = 1 << 22  # bounds the memory of many permutations of a large latent


def _subset_gradient(z: torch.Tensor) -> torch.Tensor:
    """Gradient of -(log p_1 + log p_2) in `z` (permutations, m, k), of its shape."""
    m, k = z.shape[-2:]
    mean = z.mean(-2, keepdim=True)
    mean_exponent = m * mean.square().sum(-1, keepdim=True) / (2 * k)
    of_mean = mean / k * (mean_exponent > math.log(2))

    covariance = z.transpose(-1, -2) @ z / m
    eigenvalues, eigenvectors = torch.linalg.eigh(covariance)
    deviations = eigenvalues - 1
    largest = deviations.abs().argmax(-1, keepdim=True)
    deviation = deviations.gather(-1, largest)[..., None]
    direction = eigenvectors.gather(-1, largest[..., None, :].expand(-1, k, 1))
    excess = ((1 + deviation.abs()).sqrt() - 1 - math.sqrt(k / m)).clamp_min(0)
    slope = excess / (1 + deviation.abs()).sqrt() * deviation.sign() * (m * excess.square() / 2 > math.log(2))
    return of_mean + slope * (z @ direction) * direction.transpose(-1, -2)


@dataclass(frozen=True)
class SubsetPenalty:
    """Subtracts `weight` times the penalty's gradient from the reward's.

    Attributes:
        weight: gamma of the paper, in units of the reward per unit of log-probability.
        subset_size: k, elements per subset, at least 2; the authors' code uses 4.
        permutations: random permutations averaged in each step, at least 1; the authors' code uses 100.
        seed: chooses the random permutations, see `permutation_generators`.

    Raises:
        ValueError: on construction for a `subset_size` or a number of `permutations` too small; in use for
            samples of fewer elements than a subset.
    """

    weight: float = 1.0
    subset_size: int = 4
    permutations: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        if self.subset_size < 2:
            raise ValueError(f"subset_size must be at least 2 elements, got {self.subset_size}; the usual value is 4")
        if self.permutations < 1:
            raise ValueError(f"permutations must be at least 1, got {self.permutations}; the usual value is 100")

    def _orders(self, count: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
        """All permutations of `count` elements, a few rows at a time: (rows, m k), the remainder left out."""
        used = count - count % self.subset_size
        rows = max(1, _ELEMENTS_AT_ONCE // count)
        for start in range(0, self.permutations, rows):
            yield torch.stack(
                [
                    torch.randperm(count, generator=generator, device=generator.device)[:used]
                    for _ in range(start, min(start + rows, self.permutations))
                ]
            )

    def penalty_gradient(self, noise: torch.Tensor) -> torch.Tensor:
        """Gradient of the penalty at `noise` (batch, ...), of its shape, in float32 (float64 for float64 noise)."""
        flat = noise.flatten(1).to(torch.promote_types(noise.dtype, torch.float32))
        count = flat.shape[1]
        if count < self.subset_size:
            raise ValueError(
                f"a sample needs at least subset_size = {self.subset_size} elements, got {count} from "
                f"shape {tuple(noise.shape)}; lower subset_size"
            )
        gradient = torch.zeros_like(flat)
        for x, into, generator in zip(flat, gradient, permutation_generators(flat, self.seed), strict=True):
            for order in self._orders(count, generator):
                of_subsets = _subset_gradient(x[order].unflatten(-1, (-1, self.subset_size)))
                rows = torch.zeros_like(x).repeat(len(order), 1).scatter_(1, order, of_subsets.flatten(1))
                into += rows.sum(0)
        return (gradient / self.permutations).reshape(noise.shape)

    def precondition(self, gradient: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        return (gradient - self.weight * self.penalty_gradient(noise)).to(gradient.dtype)

    def retract(self, noise: torch.Tensor) -> torch.Tensor:
        return noise
