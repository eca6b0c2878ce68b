"""Tilting the noise that a stochastic sampler injects towards a reward, while its steps stay as they are.

NoiseTilt ("NTRK", arXiv 2606.18066). A sampler that steps to `mean(x, sigma) + size(sigma) * noise` then takes

    w = W(d reward(decode(denoised(x))) / dx),    noise = sqrt(rho) w + sqrt(1 - rho) eps

with fresh white noise eps, and W, which makes a gradient look like white noise; see docs/noisetilt.md. The gradient is
`reward_gradient.evaluate`'s. The paper's appendix was not available to us: the values of rho, its schedules, the steps
without a gradient and what is done under a mask are our choice.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .ascent import Preconditioner

SCHEDULES = ("constant", "falling")


@dataclass(frozen=True)
class NoiseTilt:
    """How much of which step's noise is the reward's.

    Attributes:
        whitening: W, by its `precondition`; one of `preconditioning.WHITENINGS`.
        strength: rho, from 0 for plain noise to 1 for nothing but the whitened gradient. The step is moved along w by
            sqrt(rho N) standard deviations of its noise, N values in a sample, so useful values lie far below 1.
        schedule: "constant", or "falling" in a straight line from `strength` at `start` to 0 at `end`.
        start, end: the part of the noises that is tilted, in shares of their number.
        every: only each so many of them, the first one included; those between are plain noise.

    Raises:
        ValueError: on construction for values that cannot be meant.
    """

    whitening: Preconditioner
    strength: float
    schedule: str = "constant"
    start: float = 0.0
    end: float = 1.0
    every: int = 1

    def __post_init__(self):
        if not 0 <= self.strength <= 1:
            raise ValueError(f"strength is {self.strength}: set it from 0 (plain noise) to 1 (no fresh noise).")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule is {self.schedule!r}: choose one of {', '.join(SCHEDULES)}.")
        if not 0 <= self.start < self.end <= 1:
            raise ValueError(
                f"start is {self.start} and end is {self.end}: set both from 0 to 1, and the end above the start."
            )
        if self.every < 1:
            raise ValueError(f"The tilt comes every {self.every} steps: set it to 1 or more.")

    def rho(self, step: int, noises: int) -> float:
        """The share of the noise's variance that is the reward's, from 0 to 1.

        Args:
            step: of the sampling, from 0 on.
            noises: how many of its steps inject noise: all but the last one, which ends at sigma 0.
        """
        first, end = (math.ceil(round(share * noises, 6)) for share in (self.start, self.end))
        if not first <= step < end or (step - first) % self.every:
            return 0.0
        if self.schedule == "constant":
            return self.strength
        return self.strength * (self.end - step / noises) / (self.end - self.start)

    def steps(self, noises: int) -> list[int]:
        """The steps that need a gradient, of a sampling that injects so many noises."""
        return [step for step in range(noises) if self.rho(step, noises) > 0]

    @torch.no_grad()
    def tilted(self, noise: Tensor, gradient: Tensor, rho: float, movable: Tensor | None = None) -> Tensor:
        """The noise of a step, tilted.

        Args:
            noise: eps, fresh white noise (B, C, ..., rows, columns). Not changed.
            gradient: of the reward with respect to what the sampler steps from, of the shape of `noise`, finite and
                nowhere zero throughout a sample.
            rho: of this step.
            movable: (B, ...) bool, where the picture may change; None for everywhere. The gradient is nothing outside,
                and whitened beside that its energy would spread there, so it is whitened among fresh noise as strong as
                itself. Noise outside stays as it is.

        Returns:
            noise of the shape, dtype and device of `noise`.
        """
        gradient = gradient.to(noise.dtype)
        if movable is not None:
            gradient = torch.where(movable, gradient, _root_mean_square(gradient, movable) * noise)
        white = self.whitening.precondition(gradient, noise)
        tilted = math.sqrt(rho) * white + math.sqrt(1 - rho) * noise
        return tilted if movable is None else torch.where(movable, tilted, noise)


def _root_mean_square(x: Tensor, part: Tensor) -> Tensor:
    """Of the values of each sample of x (B, ...) in `part`, (B, 1, ...)."""
    axes = tuple(range(1, x.dim()))
    largest = torch.where(part, x.abs(), 0).amax(axes, keepdim=True)  # squares of tiny gradients would be 0
    scaled = torch.where(part, x / largest.clamp_min(torch.finfo(x.dtype).tiny), 0)
    count = part.expand_as(x).sum(axes, keepdim=True).clamp_min(1)
    return largest * (scaled.square().sum(axes, keepdim=True) / count).sqrt()
