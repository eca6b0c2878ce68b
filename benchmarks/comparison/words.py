"""How figures are written in the document."""

import math

from .statistics import Interval


def said(value: Interval, form: str = ".2f") -> str:
    """`1.23 ± 0.10`, the wider side of the interval."""
    if not math.isfinite(value.value):
        return "never"
    side = max(value.value - value.low, value.high - value.value)
    return f"{value.value:{form}} ± {side:{form}}" if math.isfinite(side) else f"{value.value:{form}} (not always)"


def with_ends(value: Interval) -> str:
    """`1.23 [1.10, 1.30]`."""
    ends = ["never" if math.isinf(end) else f"{end:.2f}" for end in (value.value, value.low, value.high)]
    return f"{ends[0]} [{ends[1]}, {ends[2]}]"


def short(key: str) -> str:
    """Of a score, without its kind: "held out: x" -> "x"."""
    return key.split(": ")[-1]


def title(key: str) -> str:
    """Of a plot of a score."""
    if key.startswith("judge: "):
        return f"realism error ({short(key)})"
    if key.startswith("held out: "):
        return f"held-out reward ({short(key)})".removesuffix(" (held out)")
    return key


def size_text(size: float | None) -> str:
    """Of a step size, or of none."""
    return "-" if size is None else f"{size:g}"
