"""A picture that shows whether noise is white: its values, spectrum, neighbours and block norms."""

import math

import numpy as np
from PIL import Image

from .axes import Axes, nice_ticks
from .canvas import BAND, BLUE, INK, SKY, VERMILLION, Canvas
from .noise_measures import (
    autocorrelation,
    band_power,
    block_norm_ratios,
    compact_power,
    flat_samples,
    neighbour_lines,
)

_VALUES = 4.5  # the histogram spans +- this many standard deviations of white noise
_LINES = 3  # of the verdict


def draw_noise_statistics(noise: np.ndarray, verdict: str, block_size: int = 16, size: int = 1024) -> Image.Image:
    """Four plots, and a verdict below them; the samples of a batch are pooled in the plots.

    Values against the bell curve; power over frequency against white; correlation of neighbours against
    what chance allows; norms of the spectrum's blocks against their targets.

    Args:
        noise: real array or CPU tensor, shape (batch, ...), at least 16 elements per sample. bfloat16 has to
            be converted first, numpy does not know it.
        verdict: what is to be said about it, in a few lines.
        block_size: bins per block of the compact spectrum.
        size: width and height in pixels; text stays legible down to 512.

    Returns:
        a square RGB picture.

    Raises:
        ValueError: as `flat_samples`.
    """
    flat = flat_samples(noise)
    power = compact_power(flat)
    font = size / 42
    canvas = Canvas(size, size)
    middle, verdict_top = size / 2, size - (_LINES * 1.35 + 0.6) * font
    row = (verdict_top - 0.4 * font) / 2
    boxes = [
        (x + 3.4 * font, y + 2.6 * font, x + middle - 0.9 * font, y + row - 2.9 * font)
        for y in (0, row)
        for x in (0, middle)
    ]
    _values(canvas, boxes[0], font, flat)
    _spectrum(canvas, boxes[1], font, power)
    _neighbours(canvas, boxes[2], font, flat.reshape(np.shape(noise)))
    _blocks(canvas, boxes[3], font, power, block_size)

    lines = canvas.wrap(verdict, 1.05 * font, size - 2 * font)
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], f"{lines[_LINES - 1]} \u2026"]
    for i, line in enumerate(lines):
        canvas.text((font, verdict_top + i * 1.35 * font), line, 1.05 * font)
    return canvas.picture()


def _values(canvas: Canvas, box: tuple[float, ...], font: float, flat: np.ndarray) -> None:
    beyond = int((np.abs(flat) > _VALUES).sum())
    heights, edges = np.histogram(flat, bins=45, range=(-_VALUES, _VALUES))
    density = heights / flat.size / (edges[1] - edges[0])
    grid = np.linspace(-_VALUES, _VALUES, 121)
    bell = np.exp(-(grid**2) / 2) / math.sqrt(2 * math.pi)
    axes = Axes(canvas, *box, (-_VALUES, _VALUES), (0, 1.08 * max(density.max(), bell.max())), font)
    axes.frame(
        "Values and bell curve",
        f"value ({beyond} beyond \u00b1{_VALUES:g})" if beyond else "value",
        [-4, -2, 0, 2, 4],
        nice_ticks(*axes.y_range, 5),
    )
    axes.bars(edges.tolist(), density.tolist(), SKY)
    axes.line(grid.tolist(), bell.tolist(), INK)


def _spectrum(canvas: Canvas, box: tuple[float, ...], font: float, power: np.ndarray) -> None:
    centres, bands, spread = band_power(power, 96)
    low, high = min(0.1, bands[bands > 0].min(initial=0.1) / 1.5), max(10, bands.max() * 1.5)
    low = max(low, high * 1e-8)
    axes = Axes(canvas, *box, (0, 0.5), (low, high), font, log_y=True)
    decades = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    every = -(-len(decades) // 6)
    axes.frame(
        "Power, white = 1",
        "cycles per element",
        [0, 0.1, 0.2, 0.3, 0.4, 0.5],
        [10.0**d for d in decades if d % every == 0],
    )
    axes.between(max(low, 1 - 3 * spread), 1 + 3 * spread, BAND)
    axes.line([0, 0.5], [1, 1], INK, 0.07, 0.4)
    axes.line(centres.tolist(), bands.tolist(), BLUE)


def _neighbours(canvas: Canvas, box: tuple[float, ...], font: float, noise: np.ndarray) -> None:
    per_sample = [{name: autocorrelation(lines) for name, lines in neighbour_lines(sample).items()} for sample in noise]
    along = {name: np.mean([measured[name][0] for measured in per_sample], axis=0) for name in per_sample[0]}
    chance = 3 * max(chances.max() for _, chances in per_sample[0].values()) / math.sqrt(len(noise))
    reach = max(0.1, 1.2 * max(np.abs(c).max() for c in along.values()), 1.2 * chance)
    farthest = max(2, *(c.size for c in along.values()))
    axes = Axes(canvas, *box, (1, farthest), (-reach, reach), font)
    axes.frame(
        "Correlation of neighbours",
        "distance in elements",
        [x for x in nice_ticks(1, farthest, 8) if x == int(x)],
        nice_ticks(-reach, reach, 5),
    )
    axes.between(-chance, chance, BAND)
    entries = []
    for (name, correlation), colour, dash in zip(along.items(), (BLUE, VERMILLION), (0, 0.5), strict=False):
        axes.line(list(range(1, correlation.size + 1)), correlation.tolist(), colour, dash=dash)
        entries.append((f"along {name}", colour, dash))
    axes.legend(entries, (axes.left + 0.5 * font, axes.bottom - 0.8 * font))


def _blocks(canvas: Canvas, box: tuple[float, ...], font: float, power: np.ndarray, block_size: int) -> None:
    one_norm, energy = block_norm_ratios(power, block_size)
    edges = np.linspace(-0.025, 2.525, 52)  # the targets fall in the middle of a bin
    shares = [np.histogram(ratio.clip(0, 2.5), edges)[0] / max(1, ratio.size) for ratio in (one_norm, energy)]
    axes = Axes(canvas, *box, (edges[0], edges[-1]), (0, 1.25 * max(0.1, *(s.max(initial=0) for s in shares))), font)
    axes.frame(
        f"Norms of blocks of {block_size}",
        "norm over its target",
        [0, 0.5, 1, 1.5, 2, 2.5],
        nice_ticks(*axes.y_range, 5),
    )
    for share, colour, dash in zip(shares, (BLUE, VERMILLION), (0, 0.5), strict=True):
        axes.line(np.repeat(edges, 2)[1:-1].tolist(), np.repeat(share, 2).tolist(), colour, dash=dash)
    axes.legend(
        [("1-norm", BLUE, 0), ("squared 2-norm", VERMILLION, 0.5)], (axes.left + 0.5 * font, axes.top + 0.6 * font)
    )
