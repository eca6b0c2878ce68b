"""Intervals for the order statistics of white noise in two levels, and the clip that brings values into them.

NoiseTilt (arXiv 2606.18066) sorts values in two levels: y (tiles, length) is sorted within each tile, and then the j-th
smallest values of all tiles are sorted among themselves. Of n independent values the r-th smallest has the probability
integral transform Beta(r, n + 1 - r), so the r-th smallest of the j-th smallest has

    q(p; r, j) = BetaInv( BetaInv(p; r, tiles + 1 - r); j, length + 1 - j )

as its quantile of level p: it lies between F^-1 q(alpha / 2) and F^-1 q(1 - alpha / 2) with probability 1 - alpha, for
values of distribution F.

That there are two levels of sorting, and alpha, are the paper's. That the quantiles are nested like this, and that each
order statistic is bounded by itself, is our reading of it: its appendix was not available to us.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from scipy import special

ALPHA = 1e-4  # the paper's 99.99%

_CACHED_BOUNDS = 16  # of samples of a few shapes; each is twice as large as a sample at most


def lower_quantiles(tiles: int, length: int, alpha: float = ALPHA) -> np.ndarray:
    """q(alpha / 2; r, j), float64 (length, tiles). The upper ones are 1 - these, turned round along both axes."""
    r, j = np.arange(1, tiles + 1.0), np.arange(1, length + 1.0)[:, None]
    return special.betaincinv(j, length + 1 - j, special.betaincinv(r, tiles + 1 - r, alpha / 2))


def normal_bounds(tiles: int, length: int, alpha: float = ALPHA) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds for values of N(0, 1), float64 (length, tiles) each."""
    lower = special.ndtri(lower_quantiles(tiles, length, alpha))
    return lower, -lower[::-1, ::-1]


def chi_bounds(tiles: int, length: int, freedom: int, alpha: float = ALPHA) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds for 2-norms of `freedom` values of N(0, 1), float64 (length, tiles) each."""
    q = lower_quantiles(tiles, length, alpha)
    lower, upper = special.gammaincinv(freedom / 2, q), special.gammainccinv(freedom / 2, q[::-1, ::-1])
    return np.sqrt(2 * lower), np.sqrt(2 * upper)


@lru_cache(_CACHED_BOUNDS)
@torch.inference_mode(False)
def bounds_like(
    bounds: Callable[..., tuple[np.ndarray, np.ndarray]], arguments: tuple, dtype: torch.dtype, device: torch.device
) -> torch.Tensor:
    """`bounds(*arguments)` as a tensor (2, length, tiles), computed once; some 0.1 s for 65,536 values."""
    return torch.from_numpy(np.stack(bounds(*arguments))).to(dtype).to(device)


def two_level_sort(y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two-level order statistics of y (batch, tiles, length): (batch, length, tiles), and what undoes the sorts.

    Returns:
        the values, rising along both axes; the tile that each came from, like it; the place of each sorted value in
        its tile, like y. Equal values keep their order.
    """
    within, place = y.sort(dim=-1, stable=True)
    across, tile = within.mT.contiguous().sort(dim=-1, stable=True)
    return across, tile, place


def clip_order_statistics(y: torch.Tensor, lower: torch.Tensor, upper: torch.Tensor) -> torch.Tensor:
    """Sort in two levels, clip, and undo both sorts.

    The set is { z : lower <= s(z) <= upper }, with s the two-level order statistics. Sorting is nonexpansive, so no
    member is nearer to y than the result is: a result that is a member is the projection of y, argmin ||z - y|| over
    the set. With one tile, or tiles of one value, it always is a member. In between it need not be: where a tile ranks
    high in one column and low in the next, clipping may change the order within that tile. Then some order statistics
    stay a little outside, and clipping again brings them nearer.

    Args:
        y: (batch, tiles, length), float32 or float64.
        lower, upper: (length, tiles), not falling along either axis.

    Returns:
        new tensor like `y`.
    """
    across, tile, place = two_level_sort(y)
    within = torch.empty_like(across).scatter_(-1, tile, across.clamp(lower, upper))
    return torch.empty_like(y).scatter_(-1, place, within.mT)
