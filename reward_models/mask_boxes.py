"""Where a mask is: its bounding box, carried over to a picture of another size."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

import torch
from torch import Tensor

# Inpaint crop nodes pass over values below this too: a feathered edge or a stray grey pixel does not widen the box.
LEAST_VALUE = 0.1


@dataclass(frozen=True)
class Box:
    """Rows `top` to `bottom` and columns `left` to `right` of a picture, ends excluded, in pixels."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left

    def of(self, images: Tensor) -> Tensor:
        """The part (..., height, width) of images (..., H, W)."""
        return images[..., self.top : self.bottom, self.left : self.right]


def bounding_boxes(masks: Tensor) -> list[Box]:
    """The smallest box around every mask.

    Args:
        masks: (M, h, w); 0 and below is outside.

    Raises:
        ValueError: a mask is empty.
    """
    boxes = []
    for i, mask in enumerate(masks.cpu()):
        rows, columns = (torch.nonzero((mask > 0).any(dim)).flatten().tolist() for dim in (1, 0))
        if not rows:
            which = "The mask is empty" if len(masks) == 1 else f"Mask {i + 1} of {len(masks)} is empty"
            raise ValueError(f"{which}: paint the region white, at least where it is to count (0.1 and above counts).")
        boxes.append(Box(rows[0], rows[-1] + 1, columns[0], columns[-1] + 1))
    return boxes


def box_in_picture(box: Box, mask_size: tuple[int, int], picture_size: tuple[int, int], margin: float) -> Box:
    """The box of a mask in a picture that the mask is stretched to, with a margin, no larger than the picture.

    A pixel that is partly covered belongs to it.

    Args:
        box: in pixels of the mask.
        mask_size, picture_size: (height, width).
        margin: added on every side, as a share of the box's height above and below and of its width left and right.
    """
    share = Fraction(margin).limit_denominator(10_000)  # floats would move an edge that lies on a pixel's
    sides = []
    for start, end, masked, pictured in (
        (box.top, box.bottom, mask_size[0], picture_size[0]),
        (box.left, box.right, mask_size[1], picture_size[1]),
    ):
        scale, beyond = Fraction(pictured, masked), share * (end - start)
        sides += [max(0, floor((start - beyond) * scale)), min(pictured, ceil((end + beyond) * scale))]
    return Box(*sides)
