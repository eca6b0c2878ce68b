"""The pictures that a taste is learned from, known by their content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

LEAST, MOST = 8, 1000  # different pictures: fewer tell no taste, more take minutes to learn and teach no more


@dataclass(frozen=True)
class Picture:
    """A picture that is read when it is needed: hundreds of them at once would fill the memory.

    Attributes:
        digest: of its pixels; two pictures with the same one are the same picture.
        read: gives (3, H, W) uint8, RGB.
    """

    digest: str
    read: Callable[[], Tensor]

    @classmethod
    def of(cls, read: Callable[[], Tensor]) -> Picture:
        """Reads it once, for its digest."""
        pixels = read()
        text = hashlib.sha256(repr(tuple(pixels.shape)).encode())
        text.update(pixels.contiguous().numpy().tobytes())
        return cls(text.hexdigest(), read)


def in_eight_bits(image: Tensor) -> Tensor:
    """(3, H, W) in [0, 1] -> the uint8 that a file of it holds, so that a batch and its saved files are the same."""
    return (255 * image.detach().float().nan_to_num(0.0).clamp(0, 1)).round().to("cpu", torch.uint8)


def different(pictures: Iterable[Picture]) -> list[Picture]:
    """Each picture once, in the given order."""
    return list({picture.digest: picture for picture in pictures}.values())


def without(pictures: Iterable[Picture], others: Sequence[Picture]) -> list[Picture]:
    """Those that are not among the others."""
    known = {picture.digest for picture in others}
    return [picture for picture in pictures if picture.digest not in known]


def check_numbers(liked: Sequence[Picture], disliked: Sequence[Picture], disliked_given: int) -> None:
    """Raise ValueError unless there are enough pictures to learn from, and not too many.

    Args:
        liked, disliked: different pictures, none of them in both; `disliked` may be empty.
        disliked_given: how many disliked pictures there were, also liked ones and those that came twice included.
    """
    if not liked:
        raise ValueError(
            "Learn Taste has no liked picture: connect pictures to liked, or write the name of a folder of ComfyUI's "
            "input into liked_folder."
        )
    if len(liked) < LEAST:
        raise ValueError(
            f"Learn Taste has {len(liked)} different liked picture{'s' * (len(liked) > 1)}, and fewer than {LEAST} "
            "tell no taste: add more pictures that you like. From 30 on it learns well."
        )
    if disliked_given and len(disliked) < LEAST:
        raise ValueError(
            f"Learn Taste has {len(disliked)} different disliked pictures that are not liked ones too, and fewer than "
            f"{LEAST} tell nothing: add more, or give none at all."
        )
    for name, pictures in (("liked", liked), ("disliked", disliked)):
        if len(pictures) > MOST:
            raise ValueError(f"Learn Taste has {len(pictures)} {name} pictures, more than {MOST}: choose the clearest.")
