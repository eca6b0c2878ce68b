"""Small copies of the start pictures and of the best ones so far, for previews and the report."""

import io
import math

import torch
from PIL import Image
from torch import Tensor

from ..optimization import Step

MAX_SIDE = 512


class KeptImages:
    """The images of the start noises, and those of each sample's best noise so far.

    Attributes:
        start, best: (B, 3, h, w) uint8 on the CPU, at most `MAX_SIDE` high and wide; None before the first step.
    """

    def __init__(self) -> None:
        self.start: Tensor | None = None
        self.best: Tensor | None = None

    def add(self, step: Step) -> bool:
        """Look at an evaluation; returns whether a best picture changed."""
        if step.index > 0 and not step.improved.any():
            return False
        images = _small(step.images)
        if step.index == 0:
            self.start, self.best = images, images
        else:
            self.best = torch.where(step.improved.view(-1, 1, 1, 1), images, self.best)
        return True


def grid(images: Tensor) -> Image.Image:
    """Images (B, 3, h, w) uint8 on the CPU in a square of rows, the last one filled up with black."""
    columns = math.ceil(math.sqrt(images.shape[0]))
    rows = [torch.cat(list(images[i : i + columns]), dim=2) for i in range(0, images.shape[0], columns)]
    width = rows[0].shape[2]
    rows = [torch.nn.functional.pad(row, (0, width - row.shape[2])) for row in rows]
    return Image.fromarray(torch.cat(rows, dim=1).movedim(0, -1).contiguous().numpy())


def jpeg(picture: Image.Image, max_side: int) -> bytes:
    """The picture as JPEG, made smaller where it is larger than `max_side`."""
    picture = picture.copy()
    picture.thumbnail((max_side, max_side))
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=85)
    return encoded.getvalue()


def _small(images: Tensor) -> Tensor:
    height, width = images.shape[-2:]
    scale = MAX_SIDE / max(height, width)
    if scale < 1:
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        images = torch.nn.functional.interpolate(images.float(), size, mode="area")
    return images.clamp(0, 1).mul(255).round().to(torch.uint8).cpu()
