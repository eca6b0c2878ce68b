"""How figures are written in the document."""

import math
from collections.abc import Iterable, Sequence

from .statistics import Interval


def said(value: Interval, form: str = ".2f") -> str:
    """`1.23 ± 0.10`, the wider side of the interval."""
    if not math.isfinite(value.value):
        return "never"
    side = max(value.value - value.low, value.high - value.value)
    return f"{value.value:{form}} ± {side:{form}}" if math.isfinite(side) else f"{value.value:{form}} (not always)"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def title(key: str) -> str:
    """Of a plot of a score or judge, by its key."""
    kind, _, name = key.partition(": ")
    return {"judge": f"realism error ({name})", "held out": f"held-out reward ({name})"}.get(kind, key).replace(
        " (held out)", "")


def size_text(size: float | None) -> str:
    """Of a step size, or of none."""
    return "-" if size is None else f"{size:g}"
