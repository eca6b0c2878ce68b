"""Pictures of the comparison: fronts and grids of results."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from torch import Tensor

from figures.canvas import BLACK, BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, SKY, VERMILLION

# Colour and dash of each method, the same in every picture.
STYLES = {
    **{f"{name}{ending}": (colour, dash) for ending, dash in (("", "-"), ("-helped", "--")) for name, colour in (
        ("none", BLACK), ("reno", ORANGE), ("prno", PURPLE), ("mpgr", SKY))},
    "gper": (BLUE, ":"), "effort-balanced": (BLUE, "-"),
    "best-of-n": (VERMILLION, ":"), "local-search": (VERMILLION, "-"), "spectral-evolution": (VERMILLION, "--"),
    "plain": (BLACK, "-"), "best-per-step": (VERMILLION, ":"), "optimizer": (GREEN, "-"), "shift": (ORANGE, "--"),
    "raw": (ORANGE, "-"), "tilt-both": (BLUE, "-"), "tilt-noisetilt": (SKY, "-"), "tilt-gper": (PURPLE, "-"),
    "tilt-both-falling": (BLUE, "--"), "tilt-both-cheap": (BLUE, ":"),
}
SOUND = "#e6f2e6"
COLUMNS = 2


@dataclass(frozen=True)
class Panel:
    """One plot. lines: by the method's name, its label, xs and ys. dots: at the points of the lines. sound: y below
    which pictures are sound. mark: where sound pictures are. window: (least x, most y) of what is shown."""

    title: str
    x_label: str
    lines: Mapping[str, tuple[str, Sequence[float], Sequence[float]]]
    log_y: bool = False
    dots: bool = False
    sound: float | None = None
    mark: tuple[float, float] | None = None
    window: tuple[float, float] | None = None


def draw_panels(panels: Sequence[Panel], path: Path) -> None:
    """The panels under one legend of all their lines."""
    rows = -(-len(panels) // COLUMNS)
    figure = Figure(figsize=(12.8, 5.2 * rows + 0.8), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    legend = {}
    for axes, panel in itertools.zip_longest(figure.subplots(rows, COLUMNS, squeeze=False).flat, panels):
        if panel is None:
            axes.remove()
        else:
            legend |= {line.get_label(): line for line in _draw(axes, panel)}
    figure.legend(legend.values(), legend.keys(), loc="outside upper left", ncols=4, frameon=False, fontsize=14)
    figure.savefig(path, dpi=100)


def _draw(axes, panel: Panel) -> list:
    axes.set_title(panel.title, loc="left", fontsize=15)
    axes.set_xlabel(panel.x_label, fontsize=14)
    axes.tick_params(labelsize=13, left=False, which="both")
    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.grid(axis="y", color=FAINT)
    axes.set_axisbelow(True)
    if panel.log_y:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    drawn = []
    for name, (label, xs, ys) in panel.lines.items():
        points = [(x, y) for x, y in zip(xs, ys, strict=True)
                  if panel.window is None or x >= panel.window[0] and y <= panel.window[1]]
        colour, dash = STYLES.get(name, (INK, ":"))
        drawn += axes.plot(*zip(*points, strict=True) if points else ((), ()), color=colour, linestyle=dash,
                           linewidth=2.2, marker="o" if panel.dots else None, markersize=7, markeredgecolor="white",
                           label=label)
    if panel.mark:
        drawn += axes.plot(*panel.mark, "+", color=INK, markersize=16, markeredgewidth=2.5, label="sound pictures")
    if panel.sound is not None:
        low, high = axes.get_ylim()
        axes.axhspan(low, panel.sound, color=SOUND, linewidth=0, zorder=0)
        axes.set_ylim(low, max(high, 1.05 * panel.sound))
    return drawn


def draw_grid(rows: Mapping[str, Tensor], path: Path, captions: Sequence[Sequence[str]] = ()) -> None:
    """Rows of pictures (B, 3, H, W) in [0, 1], each with its name, and a caption under each picture."""
    count = max(4, *(len(row) for row in rows.values()))  # fewer leave no room for the names
    figure = Figure(figsize=(2.6 + 1.34 * count, (1.56 if captions else 1.34) * len(rows)), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01)
    for name, row, axes, below in itertools.zip_longest(
            rows, rows.values(), figure.subplots(len(rows), count, squeeze=False), captions, fillvalue=()):
        axes[0].set_ylabel(name.replace(", ", ",\n"), rotation=0, ha="left", va="center", labelpad=150, fontsize=13)
        for axis, image in zip(axes, row, strict=False):
            axis.imshow(image.clamp(0, 1).permute(1, 2, 0).numpy(), interpolation="bicubic")
        for axis, text in zip(axes, below, strict=False):
            axis.set_xlabel(text, fontsize=11)
        for axis in axes:
            axis.set(xticks=(), yticks=(), frame_on=False)
    figure.savefig(path, dpi=100, pil_kwargs={"quality": 88})
