"""The part of the noise that a search may change, as where a picture is repainted under a mask."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class WholeNoise:
    """All of it."""

    def parts(self, noise: Tensor) -> list[Tensor]:
        """What of noise (B, ...) may change, in tensors (b, ...) of samples that are treated alike."""
        return [noise]

    def put(self, noise: Tensor, parts: Sequence[Tensor]) -> Tensor:
        """Noise (B, ...) with those `parts` in the place of its own."""
        return parts[0]


class MovablePart:
    """The elements where `movable` is true; the others stay bit for bit.

    White noise has white parts, so what keeps noise white can be asked of the part alone, beside which the rest is as
    it was drawn. Asked of the whole, with the rest put back afterwards, it would be lost: a projection of all
    frequencies shifts energy between part and rest, and the rest would forget its share.

    Args:
        movable: (B, ...) bool, of the shape of the noise. Samples with the same elements are treated together.

    Raises:
        ValueError: nothing may change.
    """

    def __init__(self, movable: Tensor):
        rows, group = movable.flatten(1).unique(dim=0, return_inverse=True)
        self._places = [(torch.nonzero(group == i), torch.nonzero(row).T) for i, row in enumerate(rows) if row.any()]
        if not self._places:
            raise ValueError("Nothing of the noise may change: give at least one of its elements free.")

    def parts(self, noise: Tensor) -> list[Tensor]:
        """As of `WholeNoise`: tensors (b, n) with the n elements of b samples, in C order."""
        return [noise.flatten(1)[place] for place in self._places]

    def put(self, noise: Tensor, parts: Sequence[Tensor]) -> Tensor:
        """As of `WholeNoise`; a new tensor."""
        rows = noise.flatten(1).clone()
        for place, part in zip(self._places, parts, strict=True):
            rows[place] = part
        return rows.view_as(noise)


def movable_part(movable: Tensor | None) -> WholeNoise | MovablePart:
    """What `movable`, (B, ...) bool or None for everything, says."""
    return WholeNoise() if movable is None else MovablePart(movable)
