"""One plot with ticks inside a rectangle of a canvas."""

import math
from dataclasses import dataclass

from .canvas import FAINT, INK, Canvas, Point


def nice_ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers 1, 2, 2.5 or 5 times a power of ten apart, within [low, high], at most `most` of them."""
    rough = (high - low) / max(1, most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    for factor in (1, 2, 2.5, 5, 10, 20):
        step = factor * power
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            break
    return [round(i * step, 12) for i in range(first, last + 1)]


def tick_label(value: float) -> str:
    """At most six digits, exponents without leading zeros."""
    return f"{value:g}".replace("e-0", "e-").replace("e+0", "e")


@dataclass(frozen=True)
class Axes:
    """Maps (x, y) to the rectangle `left` to `right`, `top` to `bottom` of `canvas`, in pixels.

    Attributes:
        x_range, y_range: values at the rectangle's edges; both ends differ.
        log_y: y is drawn on a logarithmic scale; y_range is positive then.
        font: text height in pixels; line widths follow it.
    """

    canvas: Canvas
    left: float
    top: float
    right: float
    bottom: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    font: float
    log_y: bool = False

    def place(self, x: float, y: float) -> Point:
        """Pixel of a value; values outside the ranges land on the edge."""
        along = _fraction(x, *self.x_range)
        if self.log_y:
            low, high = map(math.log, self.y_range)
            up = _fraction(math.log(max(y, self.y_range[0])), low, high)
        else:
            up = _fraction(y, *self.y_range)
        return self.left + along * (self.right - self.left), self.bottom - up * (self.bottom - self.top)

    def frame(self, title: str, x_label: str, x_ticks: list[float], y_ticks: list[float]) -> None:
        """Title, grid, tick labels and the label of the x axis."""
        for y in y_ticks:
            _, level = self.place(self.x_range[0], y)
            self.canvas.line([(self.left, level), (self.right, level)], FAINT, self.font / 16)
            self.canvas.text((self.left - self.font * 0.4, level), tick_label(y), self.font * 0.85, "rm")
        for x in x_ticks:
            place, _ = self.place(x, self.y_range[0])
            self.canvas.line([(place, self.bottom), (place, self.bottom + self.font * 0.3)], INK, self.font / 14)
            self.canvas.text((place, self.bottom + self.font * 0.4), tick_label(x), self.font * 0.85, "ma")
        self.canvas.line([(self.left, self.bottom), (self.right, self.bottom)], INK, self.font / 14)
        self.canvas.text(
            ((self.left + self.right) / 2, self.bottom + self.font * 1.45), x_label, self.font * 0.85, "ma"
        )
        self.canvas.text((self.left, self.top - self.font * 0.5), title, self.font, "ls")

    def line(self, xs: list[float], ys: list[float], colour: str, width: float = 0.14, dash: float = 0) -> None:
        """A line through the points, `width` and `dash` in text heights; it breaks at values that are not finite."""
        run: list[Point] = []
        for x, y in [*zip(xs, ys, strict=True), (0.0, math.nan)]:
            if math.isfinite(y):
                run.append(self.place(x, y))
                continue
            if len(run) > 1:
                self.canvas.line(run, colour, width * self.font, dash * self.font)
            elif run:
                self.canvas.disc(run[0], 0.2 * self.font, colour)
            run = []

    def bars(self, edges: list[float], heights: list[float], colour: str) -> None:
        """Bars from the x axis up, between neighbouring `edges`."""
        for left, right, height in zip(edges, edges[1:], heights, strict=False):
            self.canvas.rectangle(self.place(left, self.y_range[0]), self.place(right, height), colour)

    def between(self, low: float, high: float, colour: str) -> None:
        """Fill the stripe of y values from `low` to `high`."""
        self.canvas.rectangle(self.place(self.x_range[0], low), self.place(self.x_range[1], high), colour)

    def legend(self, entries: list[tuple[str, str, float]], place: Point) -> None:
        """Lines and their names in one row from `place` on: (name, colour, dash)."""
        x, y = place
        for name, colour, dash in entries:
            self.canvas.line([(x, y), (x + self.font * 2.1, y)], colour, 0.16 * self.font, dash * self.font)
            self.canvas.text((x + self.font * 2.4, y), name, self.font * 0.85, "lm")
            x += self.font * 3.6 + self.canvas.text_width(name, self.font * 0.85)


def _fraction(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))
