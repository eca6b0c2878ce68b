"""Which pictures of a batch were picked, as a text that is saved in the workflow: "3:a81f..., 7:09c2...".

Behind the number stands a mark of the picture, so that a pick is not taken for one of the pictures that another seed
painted in its place. Written by hand, for example through the API, numbers are enough: "3, 7".
"""

from __future__ import annotations

from torch import Tensor, uint8
from torch.nn.functional import adaptive_avg_pool2d

TOLERANCE = 3  # of 255: another card or driver paints the same picture in slightly other colours


def marks_of(images: Tensor) -> list[str]:
    """Return the mean colours of each picture's four quarters in hexadecimal; IMAGE (B, H, W, C) in [0, 1]."""
    quarters = adaptive_avg_pool2d(images[..., :3].movedim(-1, 1).float().nan_to_num(), 2)
    return [bytes(picture.flatten().tolist()).hex() for picture in (quarters.clamp(0, 1) * 255).round().to(uint8)]


def picked_from(text: str, marks: list[str]) -> dict[int, str]:
    """Return what of `text` is picked among the pictures with these marks: index -> mark as it stands in the text.

    A pick whose mark is that of another picture is left out.

    Raises:
        ValueError: something in the text is no number of a picture.
    """
    picked = {}
    for part in text.replace(",", " ").split():
        number, _, mark = part.partition(":")
        index = int(number) - 1 if number.isdecimal() else -1
        if index < 0 or (not mark and index >= len(marks)):
            raise ValueError(
                f"Pick Images has no picture {part!r}: picked names pictures by their numbers, 1 to {len(marks)}, such "
                'as "1, 4, 7". Empty the field and click the pictures instead.'
            )
        if not mark or (index < len(marks) and _alike(mark, marks[index])):
            picked[index] = mark or marks[index]
    return dict(sorted(picked.items()))


def _alike(one: str, other: str) -> bool:
    try:
        pairs = list(zip(bytes.fromhex(one), bytes.fromhex(other), strict=True))
    except ValueError:
        return False
    return all(abs(a - b) <= TOLERANCE for a, b in pairs)
