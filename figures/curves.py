"""A small line plot: how scores move over the steps of a run."""

import math
from collections.abc import Mapping, Sequence

from PIL import Image

from .axes import Axes, nice_ticks
from .canvas import LINE_COLOURS, Canvas

_DASHES = (0.0, 0.7, 0.25)  # in text heights; tells lines apart where colours do not


def draw_curves(
    series: Mapping[str, Sequence[float]],
    title: str,
    x_label: str = "step",
    mark_best: bool = False,
    width: int = 960,
    height: int = 600,
) -> Image.Image:
    """Line plot of one or more series over their index.

    Args:
        series: values by name, the index being the step. Values that are not finite leave a gap.
        title: one line above the plot; without one the plot begins higher.
        x_label: what the index counts.
        mark_best: put a dot, and the value, at the largest value of each series.
        width, height: size of the picture in pixels; the text is 1/38 of the width.

    Returns:
        an RGB picture.

    Raises:
        ValueError: if there is no series or no finite value in one.
    """
    if not series:
        raise ValueError("there is nothing to draw: give at least one series of values")
    finite = {name: [v for v in values if math.isfinite(v)] for name, values in series.items()}
    for name, values in finite.items():
        if not values:
            raise ValueError(f"the series {name!r} holds no finite value; leave it out or check where it comes from")

    low, high = min(map(min, finite.values())), max(map(max, finite.values()))
    margin = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
    steps = max(1, max(map(len, series.values())) - 1)
    font = width / 38
    canvas = Canvas(width, height)
    top = (2.2 if title else 0.4) * font
    axes = Axes(
        canvas,
        4.2 * font,
        top + 2.2 * font,
        width - 1.5 * font,
        height - 3 * font,
        (0, steps),
        (low - margin, high + margin),
        font,
    )
    axes.frame("", x_label, nice_ticks(0, steps, 9), nice_ticks(*axes.y_range, 7))
    canvas.text((axes.left, font), title, font * 1.15, "la")

    entries = []
    for i, (name, values) in enumerate(series.items()):
        colour, dash = LINE_COLOURS[i % len(LINE_COLOURS)], _DASHES[i % len(_DASHES)]
        entries.append((name, colour, dash))
        axes.line(list(range(len(values))), list(values), colour, dash=dash)
        if mark_best:
            best = max(range(len(values)), key=lambda step: values[step] if math.isfinite(values[step]) else -math.inf)
            x, y = axes.place(best, values[best])
            canvas.disc((x, y), 0.32 * font, colour)
            right = x > (axes.left + axes.right) / 2
            canvas.text(
                (x - 0.5 * font if right else x + 0.5 * font, y - 0.45 * font),
                f"{values[best]:.4g}",
                0.8 * font,
                "rs" if right else "ls",
                colour,
            )
    axes.legend(entries, (axes.left, top + 0.9 * font))
    return canvas.picture()
