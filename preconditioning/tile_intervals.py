"""Values, means and energies of tiles, each brought into the intervals of white noise by the shortest way.

The three sets of NoiseTilt (arXiv 2606.18066), see `order_statistics`. All take and return tiles of one shape
(batch, tiles, length), float32 or float64, and change nothing in place.
"""

import math
from collections.abc import Callable

import torch

from .compact_tiles import GROUP, runs
from .order_statistics import bounds_like, chi_bounds, clip_order_statistics, normal_bounds


def clip_values(y: torch.Tensor) -> torch.Tensor:
    """All values are N(0, 1)."""
    return clip_order_statistics(y, *bounds_like(normal_bounds, tuple(y.shape[1:]), y.dtype, y.device))


def clip_means(y: torch.Tensor) -> torch.Tensor:
    """sqrt(length) times the mean of each tile is N(0, 1). Every value of a tile moves by the same amount."""
    length = y.shape[-1]
    z = y.sum(-1, keepdim=True) / math.sqrt(length)
    return y + (_clip_per_tile(z, normal_bounds) - z) / math.sqrt(length)


def clip_energies(y: torch.Tensor) -> torch.Tensor:
    """The energy of each tile is chi-squared with `length` degrees of freedom. A tile is scaled; zeros stay zero."""
    norm = torch.linalg.vector_norm(y, dim=-1, keepdim=True)
    return y * (_clip_per_tile(norm, chi_bounds, y.shape[-1]) / torch.where(norm > 0, norm, 1))


def _clip_per_tile(z: torch.Tensor, bounds: Callable, *arguments: int) -> torch.Tensor:
    """Of one number for each tile (batch, tiles, 1): in two levels, within groups of tiles and across them."""
    numbers = z.squeeze(-1)
    clipped = []
    for start, tiles, length in runs(numbers.shape[1], GROUP):
        limits = bounds_like(bounds, (tiles, length, *arguments), z.dtype, z.device)
        group = numbers[:, start : start + tiles * length].unflatten(1, (tiles, length))
        clipped.append(clip_order_statistics(group, *limits).flatten(1))
    return torch.cat(clipped, 1).unsqueeze(-1)
