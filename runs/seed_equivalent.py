"""A score as a number of seeds: as good as the best of how many plain ones.

Let F be the distribution of a score over plain seeds, of one model, prompt, size, schedule and reward. The best of N
independent seeds stays below s with probability F(s)^N, so it is as good as s in half of all tries for

    N = ln(1/2) / ln F(s),

about 0.69 / (1 - F(s)). Between seeds that were scored, F is estimated without assuming its shape: F of the k-th
largest of n has the distribution Beta(n - k + 1, k) whatever F is (H. A. David and H. N. Nagaraja, "Order Statistics"),
from which follow Clopper and Pearson's interval (Biometrika 26, 1934) and, with half a seed added on either side
(Jeffreys), the estimate. The best one of n is as good as the best of n.

Above all of them ranks only tell that N is hardly below 0.23 n. There a normal shape is assumed for the estimate and
the lower end: for s at z true deviations above the true mean, sqrt(n) (s - mean) / deviation has a noncentral t
distribution with the noncentrality sqrt(n) z; its normal approximation (M. Abramowitz and I. A. Stegun, "Handbook of
Mathematical Functions", 26.7.10) is solved for z. The upper end stays open, as it is for the best of the n: the tail
may be short, as that of a bounded score is, and n seeds cannot tell. Since the error grows with the distance, no number
beyond `REACH` n is given. `benchmarks.seed_equivalents` compares all this with the truth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special
from torch import Tensor

FEWEST = 8  # seeds, below which intervals are wider than what they tell
REACH = 10
TAIL = 0.05  # on either side of the interval
_HALF = math.log(2)


@dataclass(frozen=True)
class SeedEquivalent:
    """As good as the best of `number` seeds. None in a number: more than `REACH` times `seeds`.

    Attributes:
        seeds: how many plain ones were scored.
        number: the estimate, above 0; below 1 for a score that most seeds beat.
        low, high: ends of its 90 % interval.
        above_all: whether the score is above those of all `seeds`.
    """

    seeds: int
    number: float | None
    low: float | None
    high: float | None
    above_all: bool

    @classmethod
    def from_json(cls, value: object) -> SeedEquivalent:
        """That of which `dataclasses.asdict` made `value`. Raises TypeError for anything else."""
        read = cls(**value) if isinstance(value, dict) else None
        numbers = (
            read is not None
            and type(read.seeds) is int
            and isinstance(read.above_all, bool)
            and all(n is None or type(n) in (int, float) for n in (read.number, read.low, read.high))
        )
        if not numbers:
            raise TypeError(f"the number of seeds is {value!r}")
        return read


def seed_equivalent(score: float, plain: Tensor) -> SeedEquivalent | None:
    """The score as a number of seeds.

    Args:
        score: of a picture.
        plain: (n,) scores of plain seeds, drawn independently of one another; what is not finite is left out.

    Returns:
        None where nothing can be said: the score is not finite, fewer than `FEWEST` seeds are, or all have one score.
    """
    plain = plain[plain.isfinite()].double()
    n = len(plain)
    if n < FEWEST or not math.isfinite(score):
        return None
    mean, deviation = float(plain.mean()), float(plain.std())
    if deviation <= 1e-6 * abs(mean):  # no more than rounding in float32
        return None
    above, reached = int((plain > score).sum()), int((plain >= score).sum())
    if reached:
        number, low, high = _between(above, reached, n)
    else:
        number, low, high = _above((score - mean) / deviation, n)
    return SeedEquivalent(n, *(value if value <= REACH * n else None for value in (number, low, high)), not reached)


def _between(above: int, reached: int, n: int) -> tuple[float, float, float]:
    """Estimate and interval where `above` of n seeds are better and `reached`, at least 1, as good or better."""
    middle = (above + reached) / 2
    share = special.betaincinv(middle + 0.5, n - middle + 0.5, 0.5)
    least = special.betaincinv(reached, n - reached + 1, TAIL)
    most = special.betaincinv(above + 1, n - above, 1 - TAIL) if above < n else 1.0
    return tuple(_seeds(float(better)) for better in (share, most, least))


def _above(deviations: float, n: int) -> tuple[float, float, float]:
    """Estimate and interval of a score so many sample deviations above the mean of n seeds, of which it beats all."""
    freedom, t = n - 1, math.sqrt(n) * deviations
    error = -special.ndtri(TAIL) * math.sqrt(1 + t**2 / (2 * freedom))
    middle = t * (1 - 1 / (4 * freedom))
    number, low = (_seeds(float(special.ndtr(-z / math.sqrt(n)))) for z in (middle, middle - error))
    best, least, _ = _between(0, 1, n)  # it beats the best of n
    return max(number, best), max(low, least), math.inf


def _seeds(better: float) -> float:
    """N for a share of better seeds."""
    if better <= 0:
        return math.inf
    return _HALF / -math.log1p(-better) if better < 1 else 0.0
