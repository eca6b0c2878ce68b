"""Bootstrap intervals and how they are written, and fronts."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike

RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A figure with its 95% percentile bootstrap interval."""

    value: float
    low: float
    high: float

    def within(self, least: float, most: float) -> bool | None:
        """Whether the figure lies between the two; None where the interval holds both answers."""
        if least <= self.low and self.high <= most:
            return True
        return False if self.high < least or self.low > most else None

    def __str__(self) -> str:
        """`1.23 ± 0.10`, the wider side of the interval."""
        side = max(self.value - self.low, self.high - self.value)
        if not math.isfinite(self.value):
            return "never"
        return f"{self.value:.2f} ± {side:.2f}" if math.isfinite(side) else f"{self.value:.2f} (not always)"

    def with_ends(self) -> str:
        """`1.23 [1.10, 1.30]`."""
        return "{} [{}, {}]".format(*("never" if math.isinf(end) else f"{end:.2f}"
                                      for end in (self.value, self.low, self.high)))


def bootstrap(statistic: Callable[[np.ndarray], ArrayLike], count: int, resamples: int = RESAMPLES) -> list[Interval]:
    """Of each figure that `statistic` gives for an index (count,) into noises, drawn with replacement.

    A figure may be infinite, such as a time that is never reached.
    """
    every = np.arange(count)
    with np.errstate(invalid="ignore"):  # infinity less infinity, in scipy's own interval
        drawn = _drawn(every, lambda index: np.atleast_1d(statistic(index)), resamples, vectorized=False)
        return [_interval(*figure) for figure in zip(np.atleast_1d(statistic(every)), drawn, strict=True)]


def upper_bounds(statistic: Callable[[np.ndarray], np.ndarray], count: int, resamples: int = RESAMPLES
                 ) -> tuple[np.ndarray, np.ndarray]:
    """The figures (n,) that `statistic` gives for an index into noises, and upper bounds that hold for all at once, in
    95 of 100 cases: the least of many figures is small by chance alone.

    From the largest of the studentized deviations, as in Romano and Wolf, "Stepwise multiple testing as formalized data
    snooping" (2005), in a single step.
    """
    every = np.arange(count)
    values, drawn = statistic(every), _drawn(every, statistic, resamples, vectorized=False)
    scatter = drawn.std(-1)
    deviations = (values[:, None] - drawn) / np.where(scatter > 0, scatter, 1)[:, None]
    return values, values + np.quantile(deviations.max(0), 0.95) * scatter


def bootstrap_mean(values: np.ndarray, resamples: int = RESAMPLES) -> Interval:
    """Of `values` (count,)."""
    return _interval(values.mean(), _drawn(values, np.mean, resamples, vectorized=True))


def _drawn(data: np.ndarray, statistic: Callable, resamples: int, vectorized: bool) -> np.ndarray:
    if len(data) == 1:  # scipy refuses
        return np.asarray(statistic(data))[..., None]
    return scipy.stats.bootstrap((data,), statistic, n_resamples=resamples, vectorized=vectorized, method="percentile",
                                 random_state=0).bootstrap_distribution


def _interval(value: float, drawn: np.ndarray) -> Interval:
    # Order statistics, not interpolated between as scipy does: an infinite neighbour would spoil a finite one.
    ends = np.quantile(drawn, (0.025, 0.975), method="closest_observation")
    return Interval(float(value), *ends.tolist())


def geometric_mean(errors: np.ndarray) -> np.ndarray:
    """Over the last axis: the tail of realism errors is so heavy that a mean would be that of the worst picture."""
    return np.exp(np.log(np.maximum(errors, 1e-6)).mean(-1))


def front(gains: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """Index of the points (n,) that no other beats in both gain (larger is better) and loss, by rising gain."""
    order = np.lexsort((losses, -gains))
    least_before = np.minimum.accumulate(np.append(math.inf, losses[order]))[:-1]
    return order[losses[order] < least_before][::-1]


def min_loss(gains: np.ndarray, losses: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The least loss among points with a gain of at least each of `levels`; infinite where there is none."""
    return np.where(gains >= levels[:, None], losses, math.inf).min(1)
