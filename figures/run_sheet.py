"""One sheet about a run: what happened in words, the rewards over the steps, pictures at the start and at best."""

from collections.abc import Mapping, Sequence

from PIL import Image

from .canvas import Canvas
from .curves import draw_curves

MAX_IMAGES = 8
_COLUMNS = 4
_GAP = 12  # pixels around pictures


def draw_run_sheet(
    heading: str,
    notes: str,
    curves: Mapping[str, Sequence[float]],
    pictures: Sequence[tuple[Image.Image, Image.Image]],
    captions: Sequence[tuple[str, str]],
    width: int = 1200,
) -> Image.Image:
    """Draw the sheet; its height follows from what is on it.

    Args:
        heading: one line. notes: text below it, broken between words.
        curves: values by name over the steps; may be empty. Each gets a plot of its own, as rewards differ in scale.
        pictures: the start and the best picture of each sample, RGB of any size; the first `MAX_IMAGES` are shown.
        captions: what to write below them.
        width: of the sheet in pixels; text stays legible down to 800.

    Returns:
        an RGB picture.

    Raises:
        ValueError: as `draw_curves`.
    """
    plots = [_plots(curves, width)] if curves else []
    return _stack([_words(heading, notes, width), *plots, _pairs(pictures, captions, width)])


def _words(heading: str, notes: str, width: int) -> Image.Image:
    font = width / 50
    lines = Canvas(1, 1).wrap(notes, font, width - 2 * font)
    below = 3 * font if heading else 0.6 * font
    canvas = Canvas(width, round(below + (1.4 * len(lines) + 0.6) * font))
    canvas.text((font, font), heading, 1.5 * font)
    for i, line in enumerate(lines):
        canvas.text((font, below + 1.4 * i * font), line, font)
    return canvas.picture()


def _plots(curves: Mapping[str, Sequence[float]], width: int) -> Image.Image:
    columns = min(2, len(curves))
    size = width // columns, round(width * (0.36 if columns == 1 else 0.3))
    plots = [
        draw_curves({name: values}, "", mark_best=True, width=size[0], height=size[1])
        for name, values in curves.items()
    ]
    return _grid(plots, columns, size)


def _pairs(
    pictures: Sequence[tuple[Image.Image, Image.Image]], captions: Sequence[tuple[str, str]], width: int
) -> Image.Image:
    """One pair side by side; of several, rows of start pictures with the best pictures below them."""
    shown = list(zip(pictures, captions, strict=True))[:MAX_IMAGES]
    columns = max(2, min(_COLUMNS, len(shown)))
    drawn = [
        tuple(_captioned(picture, words, width // columns, width / 50) for picture, words in zip(*pair, strict=True))
        for pair in shown
    ]
    if len(drawn) == 1:
        rows = [drawn[0]]
    else:
        chunks = [drawn[first : first + columns] for first in range(0, len(drawn), columns)]
        rows = [row for chunk in chunks for row in zip(*chunk, strict=True)]
    rows = [_grid(row, columns, (width // columns, max(picture.height for picture in row))) for row in rows]
    if len(pictures) > len(shown):
        rows.append(_words("", f"The first {len(shown)} of {len(pictures)} pictures.", width))
    return _stack(rows)


def _captioned(picture: Image.Image, caption: str, cell: int, font: float) -> Image.Image:
    side = cell - 2 * _GAP
    scale = min(side / picture.width, side / picture.height)
    # Small pictures keep their pixels visible, as blurring them would hide what the model painted.
    filter = Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.LANCZOS
    shown = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), filter)
    canvas = Canvas(cell, shown.height + round(2.4 * font))
    canvas.text((cell / 2, shown.height + 0.7 * font), caption, 0.9 * font, "ma")
    drawn = canvas.picture()
    drawn.paste(shown, ((cell - shown.width) // 2, 0))
    return drawn


def _grid(pictures: Sequence[Image.Image], columns: int, cell: tuple[int, int]) -> Image.Image:
    rows = -(-len(pictures) // columns)
    whole = Image.new("RGB", (columns * cell[0], rows * cell[1]), "white")
    for i, picture in enumerate(pictures):
        whole.paste(picture, (i % columns * cell[0], i // columns * cell[1]))
    return whole


def _stack(pictures: Sequence[Image.Image]) -> Image.Image:
    whole = Image.new("RGB", (pictures[0].width, sum(picture.height for picture in pictures)), "white")
    top = 0
    for picture in pictures:
        whole.paste(picture, (0, top))
        top += picture.height
    return whole
