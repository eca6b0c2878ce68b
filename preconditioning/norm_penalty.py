"""ReNO's norm penalty: keep the length of the noise where white noise has it.

Eyring et al., "ReNO: Enhancing One-step Text-to-Image Models through Reward-based Noise Optimization"
(arXiv 2406.04312), after Samuel et al., "Norm-guided latent space exploration" (arXiv 2306.08687). The
length of N(0, I_N) follows a chi distribution with N degrees of freedom; its negative log-density is

    P(x) = ||x||^2 / 2 - (N - 1) log ||x||,

least at ||x|| = sqrt(N - 1). The direction of the noise is free.
"""

import math
from dataclasses import dataclass

import torch


def norm_penalty(noise: torch.Tensor) -> torch.Tensor:
    """P(x) of each sample of `noise` (batch, ...): (batch,), inf for a zero sample."""
    norm = torch.linalg.vector_norm(noise.flatten(1), dim=1)
    return norm.square() / 2 - (math.prod(noise.shape[1:]) - 1) * norm.log()


def norm_penalty_gradient(noise: torch.Tensor) -> torch.Tensor:
    """dP/dx = x (1 - (N - 1) / ||x||^2), of the shape of `noise`; zero for a zero sample, which has no outward."""
    squared = noise.square().sum(tuple(range(1, noise.dim())), keepdim=True)
    count = math.prod(noise.shape[1:])
    return noise * (1 - (count - 1) / torch.where(squared > 0, squared, count - 1))


@dataclass(frozen=True)
class NormPenalty:
    """Subtracts `weight` times the penalty's gradient from the reward's.

    Attributes:
        weight: w of the paper, in units of the reward per unit of negative log-density; the paper uses 0.01.
    """

    weight: float = 0.01

    def precondition(self, gradient: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        penalty = norm_penalty_gradient(noise.to(torch.promote_types(noise.dtype, torch.float32)))
        return (gradient - self.weight * penalty).to(gradient.dtype)

    def retract(self, noise: torch.Tensor) -> torch.Tensor:
        return noise
