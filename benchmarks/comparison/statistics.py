"""Bootstrap intervals, times to a level, and fronts."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A figure with its 95% percentile bootstrap interval."""

    value: float
    low: float
    high: float


def bootstrap(statistic: Callable[[Tensor], float], count: int, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """`statistic` of an index (count,) into noises, and how it varies when the noises are drawn with replacement.

    Percentile bootstrap: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13. NaN among the
    resampled values counts as plus infinity, such as a time that is never reached.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = [statistic(torch.randint(count, (count,), generator=generator)) for _ in range(resamples)]
    drawn = sorted(math.inf if math.isnan(value) else value for value in drawn)
    # Order statistics, not interpolated between: an infinite neighbour would spoil a finite one.
    low, high = drawn[round(0.025 * (resamples - 1))], drawn[round(0.975 * (resamples - 1))]
    return Interval(statistic(torch.arange(count)), low, high)


def bootstrap_mean(values: Tensor, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Of `values` (count,), all resamples at once."""
    generator = torch.Generator().manual_seed(seed)
    means = values[torch.randint(len(values), (resamples, len(values)), generator=generator)].mean(1).sort().values
    return Interval(values.mean().item(), means[round(0.025 * (resamples - 1))].item(),
                    means[round(0.975 * (resamples - 1))].item())


def geometric_mean(errors: Tensor, dim: int = -1) -> Tensor:
    """Of realism errors, whose tail is so heavy that a mean would be that of its worst picture."""
    return errors.clamp_min(1e-6).log().mean(dim).exp()


def at_time(seconds: Tensor, values: Tensor, moment: float) -> Tensor:
    """`values` (K, ...) at `moment`, linear between the `seconds` (K,) at which they are known, and held after."""
    if moment >= seconds[-1]:
        return values[-1]
    after = int(torch.searchsorted(seconds, torch.tensor(moment, dtype=seconds.dtype), right=True))
    before = max(after - 1, 0)
    share = (moment - seconds[before]) / (seconds[after] - seconds[before]) if after > before else 0.0
    return values[before] + share * (values[after] - values[before])


def time_to(seconds: Tensor, curve: Tensor, level: float) -> float:
    """First moment at which `curve` (K,), linear between the `seconds` (K,), is at `level`; infinite if never."""
    reached = torch.nonzero(curve >= level)
    if not len(reached):
        return math.inf
    after = int(reached[0])
    if after == 0:
        return float(seconds[0])
    share = (level - curve[after - 1]) / (curve[after] - curve[after - 1])
    return float(seconds[after - 1] + share * (seconds[after] - seconds[after - 1]))


def front(gains: Tensor, losses: Tensor) -> Tensor:
    """Index of the points (n,) that no other beats in both gain (larger is better) and loss, by rising gain."""
    order = sorted(range(len(gains)), key=lambda i: (-float(gains[i]), float(losses[i])))
    kept, least = [], math.inf
    for i in order:
        if float(losses[i]) < least:
            kept.append(i)
            least = float(losses[i])
    return torch.tensor(kept[::-1], dtype=torch.int64)


def least_loss(gains: Tensor, losses: Tensor, levels: Tensor) -> Tensor:
    """The least loss among points with a gain of at least each of `levels`; infinite where there is none."""
    enough = gains[None, :] >= levels[:, None]
    return torch.where(enough, losses[None, :], math.inf).amin(1)
