"""Pictures of the comparison: fronts, curves over time, grids of results."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from figures.axes import Axes, nice_ticks
from figures.canvas import BLACK, BLUE, GREEN, INK, ORANGE, PURPLE, SKY, VERMILLION, Canvas

# Colour and dash of each method, the same in every picture.
STYLES = {
    "none": (BLACK, 0.0),
    "reno": (ORANGE, 0.0),
    "prno": (PURPLE, 0.0),
    "mpgr": (SKY, 0.0),
    "gper": (BLUE, 0.0),
    "gper-large": (BLUE, 0.7),
    "gper-block4": (GREEN, 0.0),
    "gper-gradient": (INK, 0.7),
    "gper-latent": (INK, 0.25),
    "best-of-n": (VERMILLION, 0.7),
    "local-search": (VERMILLION, 0.0),
}
OTHER = (INK, 0.25)
FONT = 22.0


@dataclass(frozen=True)
class Line:
    """xs, ys: of its points. name: of the method, for colour and dash. label: in the legend. dots: draw the points."""

    name: str
    label: str
    xs: Sequence[float]
    ys: Sequence[float]
    dots: bool = False

    @property
    def style(self) -> tuple[str, float]:
        return STYLES.get(self.name, OTHER)


@dataclass(frozen=True)
class Panel:
    """One plot. band: y values between which pictures are sound. mark: a point and its text."""

    title: str
    x_label: str
    lines: Sequence[Line]
    log_y: bool = False
    band: tuple[float, float] | None = None
    mark: tuple[float, float, str] | None = None


def draw_panels(panels: Sequence[Panel], width: int = 640, height: int = 540, columns: int = 2) -> Image.Image:
    """The panels in rows of `columns` under one legend of all their lines."""
    entries = {line.label: line for panel in panels for line in panel.lines}
    total, rows = width * min(columns, len(panels)), math.ceil(len(panels) / columns)
    legend = _legend(Canvas(1, 1), list(entries.values()), total)
    canvas = Canvas(total, round(height * rows + legend))
    _legend(canvas, list(entries.values()), total)
    for number, panel in enumerate(panels):
        row, column = divmod(number, columns)
        _draw(canvas, panel, column * width, legend + row * height, width, height)
    return canvas.picture()


def _legend(canvas: Canvas, lines: list[Line], width: int) -> float:
    """Draw it, and return its height."""
    x, y = FONT * 2, FONT * 1.2
    for line in lines:
        wide = FONT * 3.8 + canvas.text_width(line.label, FONT)
        if x + wide > width:
            x, y = FONT * 2, y + FONT * 1.7
        colour, dash = line.style
        canvas.line([(x, y), (x + FONT * 2.2, y)], colour, FONT / 5, dash * FONT)
        canvas.text((x + FONT * 2.6, y), line.label, FONT, "lm")
        x += wide
    return y + FONT


def _draw(canvas: Canvas, panel: Panel, left: float, top: float, width: float, height: float) -> None:
    xs = [x for line in panel.lines for x in line.xs if math.isfinite(x)]
    ys = [y for line in panel.lines for y in line.ys if math.isfinite(y)] + ([panel.band[1]] if panel.band else [])
    low, high = min(ys), max(ys)
    y_range = (low / 1.15, high * 1.15) if panel.log_y else (low - 0.06 * (high - low), high + 0.06 * (high - low))
    space = 0.02 * (max(xs) - min(xs)) or 1.0
    axes = Axes(canvas, left + 4 * FONT, top + 2 * FONT, left + width - 1.5 * FONT, top + height - 3.2 * FONT,
                (min(xs) - space, max(xs) + space), y_range, FONT, panel.log_y)
    if panel.band:
        axes.between(max(panel.band[0], y_range[0]), panel.band[1], "#e6f2e6")
    ticks = [m * 10.0**p for p in range(-3, 5) for m in (1, 2, 5) if y_range[0] <= m * 10.0**p <= y_range[1]] \
        if panel.log_y else nice_ticks(*y_range, 8)
    axes.frame(panel.title, panel.x_label, nice_ticks(min(xs), max(xs), 8), ticks)
    for line in panel.lines:
        colour, dash = line.style
        axes.line(list(line.xs), list(line.ys), colour, 0.16, dash)
        if line.dots:
            for x, y in zip(line.xs, line.ys, strict=True):
                canvas.disc(axes.place(x, y), 0.27 * FONT, colour)
    if panel.mark:
        x, y, text = panel.mark
        place = axes.place(x, y)
        canvas.line([(place[0] - FONT / 2, place[1]), (place[0] + FONT / 2, place[1])], INK, FONT / 7)
        canvas.line([(place[0], place[1] - FONT / 2), (place[0], place[1] + FONT / 2)], INK, FONT / 7)
        canvas.text((place[0] + 0.4 * FONT, place[1] + FONT), text, FONT * 0.85, "lm")


def draw_grid(rows: Mapping[str, Tensor], captions: Sequence[Sequence[str]] | None = None, cell: int = 128,
              label_width: int = 250) -> Image.Image:
    """Rows of pictures (B, 3, H, W) in [0, 1], each with its name, and a caption under each picture."""
    count = max(len(row) for row in rows.values())
    caption = 22 if captions else 0
    canvas = Canvas(label_width + count * (cell + 6), len(rows) * (cell + 6 + caption))
    for number, (name, _) in enumerate(rows.items()):
        top = number * (cell + 6 + caption)
        for line, text in enumerate(canvas.wrap(name, FONT * 0.85, label_width - 16)):
            canvas.text((8, top + 6 + line * FONT * 1.05), text, FONT * 0.85)
        for column, text in enumerate(captions[number] if captions else ()):
            canvas.text((label_width + column * (cell + 6) + cell / 2, top + cell + 2), text, 15, "ma")
    picture = canvas.picture()
    for number, row in enumerate(rows.values()):
        for column, image in enumerate(row):
            pixels = (image.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
            tile = Image.fromarray(pixels).resize((cell, cell), Image.Resampling.BICUBIC)
            picture.paste(tile, (label_width + column * (cell + 6), number * (cell + 6 + caption)))
    return picture
