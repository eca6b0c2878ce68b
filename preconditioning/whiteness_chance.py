"""What chance gives white noise, and what is said of noise that passes it.

A sample of white noise passes all tests but once in `1 / FALSE_ALARM`: the error is shared out evenly among the kinds
of tests, and within a kind among its comparisons (Bonferroni). Noise on the set of `project_white_gaussian` strays less
than white noise, so it passes too.
"""

from dataclasses import dataclass

import torch
from scipy import stats

FALSE_ALARM = 1e-6
_KINDS = 20


@dataclass(frozen=True)
class Finding:
    """One thing that noise has and white noise has not.

    Attributes:
        kind: findings of one kind have one cause.
        severity: thresholds passed; above 1 is a flaw.
        text: what it is.
    """

    kind: str
    severity: float
    text: str


def level(comparisons: int) -> float:
    """The error that one of so many comparisons of a kind may make."""
    return FALSE_ALARM / _KINDS / comparisons


def deviations_allowed(comparisons: int) -> float:
    """Standard deviations that the farthest of so many normal numbers stays within."""
    return float(stats.norm.isf(level(comparisons) / 2))


def farthest(deviations: torch.Tensor) -> tuple[int, ...]:
    """The place of what strays most."""
    index = torch.unravel_index(deviations.abs().argmax(), deviations.shape)
    return tuple(int(i) for i in index)
