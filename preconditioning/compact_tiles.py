"""Noise cut into tiles of neighbours: an order of its elements in which any stretch lies close together."""

import math
from functools import lru_cache

import torch

TILE = 64  # elements; what a token of FLUX holds
GROUP = 4  # tiles

_CACHED_ORDERS = 8


def runs(count: int, length: int) -> list[tuple[int, int, int]]:
    """Cut `count` elements into tiles of `length` and, where they do not come out even, a shorter last one.

    Returns:
        one or two (start, tiles, length).
    """
    tiles, rest = divmod(count, length)
    return [(0, tiles, length)] * (tiles > 0) + [(tiles * length, 1, rest)] * (rest > 0)


@lru_cache(_CACHED_ORDERS)
@torch.inference_mode(False)
def compact_order(shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Order in which `TILE` elements after one another are neighbours, and `GROUP` such tiles too.

    Each frame is cut into square cells: the largest, with a power of 2 as their side, that hold no more than `TILE`
    elements of all channels together, else single elements. That is 2 x 2 for 16 channels, as in a token of FLUX, and
    4 x 4 for 4. Cells follow one another along the Z-order curve (Morton 1966).

    Args:
        shape: of a sample: (channels, ..., rows, columns), or (rows, columns).

    Returns:
        int64 (N,): indices into the flattened sample.
    """
    channels, frames, height, width = (shape[0] if len(shape) > 2 else 1), math.prod(shape[1:-2]), *shape[-2:]
    side = 2 ** max(0, ((TILE // channels).bit_length() - 1) // 2)
    bits = max(height, width).bit_length()
    row, column = torch.arange(height)[:, None], torch.arange(width)
    curve = sum((row >> b & 1) << (2 * b + 1) | (column >> b & 1) << 2 * b for b in range(bits))
    cell, inside = curve // side**2, curve % side**2
    channel, frame = torch.arange(channels)[:, None, None, None], torch.arange(frames)[:, None, None]
    key = ((frame * 4**bits + cell) * channels + channel) * side**2 + inside
    return key.flatten().argsort().to(device)
