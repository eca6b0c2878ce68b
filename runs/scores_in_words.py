"""Scores for people and for JSON: the mean, and what stands in the place of a score that is not finite."""

import math

from torch import Tensor

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
