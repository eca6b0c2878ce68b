"""Scores for people and for JSON: the mean, what stands in the place of a score that is not finite, and how many seeds'
best is as good."""

import math
from collections.abc import Sequence

from torch import Tensor

from .seed_equivalent import REACH, SeedEquivalent

BARS = "▁▂▃▄▅▆▇█"


def finite_mean(scores: Tensor) -> float | None:
    """Mean of the scores (B,) that are finite, None if none is."""
    finite = scores[scores.isfinite()]
    return float(finite.mean()) if len(finite) else None


def finite_or_none(scores: Tensor) -> list[float | None]:
    """The scores (B,) for JSON, which knows no NaN."""
    return [score if math.isfinite(score) else None for score in scores.tolist()]


def number(score: float | Tensor | None) -> str:
    """A score with four decimals, or that it is not finite."""
    return f"{score:.4f}" if score is not None and math.isfinite(score) else "not finite"


def seed_text(seed: int | None) -> str:
    """A seed, or what stands in its place where no seed draws the noise."""
    return "the given noise" if seed is None else str(seed)


def in_seeds(equivalents: Sequence[SeedEquivalent | None]) -> str:
    """Scores as numbers of seeds, to follow a reward's name; of several pictures from the lowest to the highest.

    Empty where nothing can be said of any. Of one picture: "above all 16 plain seeds, as good as the best of 40 (12 to
    more than 160)".
    """
    known = sorted(filter(None, equivalents), key=lambda e: (math.inf if e.number is None else e.number, e.seeds))
    if not known:
        return ""
    worst, best = known[0], known[-1]
    plain = f"{'all ' * worst.above_all}{worst.seeds} plain seeds"
    beside = f"above {plain}, " if worst.above_all else ""
    by = "" if worst.above_all else f", by {plain}"
    if best.number is not None and best.number <= 1:
        return f"no better than a single seed{by}"
    if len(known) == 1:
        return f"{beside}as good as the best of {seeds_cell(worst)}{by}"
    ends = dict.fromkeys(_seeds(end.number, end.seeds) for end in (worst, best))
    return f"{beside}as good as the best of {' to '.join(ends)}{by}"


def seeds_cell(equivalent: SeedEquivalent | None) -> str:
    """The same for a cell of a table: "40 (12 to more than 160)"; a dash where nothing can be said."""
    if equivalent is None:
        return "-"
    number, low, high = (_seeds(n, equivalent.seeds) for n in (equivalent.number, equivalent.low, equivalent.high))
    return number if equivalent.number is None else f"{number} ({low} to {high})"


def _seeds(number: float | None, seeds: int) -> str:
    """A number of seeds in two digits, since more are never known."""
    if number is None:
        return f"more than {REACH * seeds}"
    return f"{max(1, float(f'{number:.2g}')):.0f}"


def sparkline(values: list[float | None], width: int = 40) -> str:
    """A curve in one line of text, from its lowest to its highest value; at most `width` characters.

    A gap stands for None and for what is not finite.
    """
    values = [math.nan if value is None else value for value in values]
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return ""
    chosen = (
        [values[i * (len(values) - 1) // max(1, width - 1)] for i in range(width)] if len(values) > width else values
    )
    low, span = min(finite), (max(finite) - min(finite)) or 1.0
    return "".join(BARS[round((v - low) / span * (len(BARS) - 1))] if math.isfinite(v) else " " for v in chosen)
