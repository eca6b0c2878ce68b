"""How much a reward's scores differ among pictures: the unit in which rewards of any scale can be added."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Spread:
    """How much a score differs between pictures that differ by chance.

    Attributes:
        mean, deviation: of the scores; the deviation is above 0.
    """

    mean: float
    deviation: float

    @classmethod
    def of(cls, scores: Tensor, typical_range: tuple[float, float]) -> Spread:
        """Spread of scores (draws, B): their mean, and their standard deviation around the mean of each column.

        What is not finite is passed over. Where nothing differs, or nothing can be compared, the width of
        `typical_range` is the deviation: the reward then counts as if it had ordinary pictures to go by.
        """
        scores = scores.double().cpu()
        finite = scores.isfinite()
        counts = finite.sum(0)
        scores = scores.where(finite, 0.0)
        means = scores.sum(0) / counts.clamp_min(1)
        squares = ((scores - means) * finite).square().sum()
        freedom = (counts - 1).clamp_min(0).sum()
        low, high = typical_range
        mean = float(scores.sum() / counts.sum()) if counts.any() else (low + high) / 2
        deviation = float((squares / freedom.clamp_min(1)).sqrt())
        if deviation <= 1e-6 * abs(mean):  # no more than rounding in float32
            deviation = high - low or 1.0
        return cls(mean, deviation)

    def of_score(self, score: Tensor | float) -> Tensor | float:
        """How many deviations a score is above the mean."""
        return (score - self.mean) / self.deviation
