"""A watched reward: how far it has fallen, and what to go back to when it ends the run."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..optimization import Step
from .kept_images import KeptImages


@dataclass(frozen=True)
class WatchLimit:
    """End the run when a watched reward stays more than `drop` below its best for `steps` steps in a row."""

    drop: float
    steps: int


class WatchedReward:
    """One reward, its limit, and the best noise and images from before it fell.

    It is followed by its mean over the pictures. In the place of a score that is not finite stands the picture's last
    finite one: left out, it would move the mean.
    """

    def __init__(self, name: str, limit: WatchLimit):
        self.name = name
        self.limit = limit
        self._scores: Tensor | None = None
        self._highest = -math.inf
        self._steps_below = 0
        self._before_the_fall = None

    def read(self, scores: Tensor, step: Step, images: KeptImages) -> str | None:
        """Look at the scores of a step; seeds that are tried first are passed over, since each is another picture.

        Where they end the run, record and images go back to their best from before the fall: what came later is better
        by fooling the other rewards.

        Args:
            scores: (B,), float32 on the CPU.
            step: the evaluation that gave them.
            images: with this step's in them.

        Returns:
            why they end the run; None where they do not.
        """
        if step.index < step.record.ascent_start:
            return None
        before = torch.full_like(scores, math.nan) if self._scores is None else self._scores
        self._scores = torch.where(scores.isfinite(), scores, before)
        mean = float(self._scores.nanmean())
        self._highest = max(self._highest, -math.inf if math.isnan(mean) else mean)
        self._steps_below = self._steps_below + 1 if mean < self._highest - self.limit.drop else 0
        if not self._steps_below:
            self._before_the_fall = step.index, step.record.best, images.best
        if self._steps_below < self.limit.steps:
            return None
        last, best, images.best = self._before_the_fall
        step.record.go_back(best)
        return (
            f"{self.name}, which is watched, was more than {self.limit.drop:g} below its best ({self._highest:.4g}) "
            f"for {self.limit.steps} steps; {step.record.after_a_fall.format(step=last - step.record.ascent_start)}"
        )
