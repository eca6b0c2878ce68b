"""The best pictures of a batch on one PNG."""

from __future__ import annotations

import io
import math
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from .ranking import Picture

SIDE, GAP, TEXT = 320, 16, 44  # pixels
PAPER, INK, FAINT = "#ffffff", "#1b1b1f", "#6b6b76"


def contact_sheet(folder: Path, pictures: list[Picture], reward: str | None) -> bytes:
    """A PNG of the pictures in the given order, each with its prompt, seed and score. folder: that of the batch."""
    columns = max(1, math.ceil(math.sqrt(len(pictures) * 1.3)))
    rows = math.ceil(len(pictures) / columns)
    size = (columns * (SIDE + GAP) + GAP, rows * (SIDE + TEXT + GAP) + GAP)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    font, small = ImageFont.load_default(15), ImageFont.load_default(13)
    for place, picture in enumerate(pictures):
        x = GAP + place % columns * (SIDE + GAP)
        y = GAP + place // columns * (SIDE + TEXT + GAP)
        with Image.open(folder / picture.file) as opened:
            image = opened.convert("RGB")
        scale = SIDE / max(image.size)
        sampling = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC
        image = image.resize([max(1, round(side * scale)) for side in image.size], sampling)
        sheet.paste(image, (x + (SIDE - image.width) // 2, y + (SIDE - image.height) // 2))
        score = picture.scores.get(reward)
        told = [] if score is None else [f"{reward} {score:.4g}"]
        told += [] if picture.seed is None else [f"seed {picture.seed}"]
        draw.text((x, y + SIDE + 5), _fitted(f"{place + 1}. {picture.prompt}", font), INK, font)
        draw.text((x, y + SIDE + 25), _fitted(", ".join(told), small), FAINT, small)
    written = io.BytesIO()
    sheet.save(written, "PNG")
    return written.getvalue()


def _fitted(text: str, font: ImageFont.ImageFont) -> str:
    """The text, or as much of its beginning as is no wider than a picture."""
    text = " ".join(text.split())
    if font.getlength(text) <= SIDE:
        return text
    while text and font.getlength(f"{text}…") > SIDE:
        text = text[:-1]
    return f"{text.rstrip()}…"
