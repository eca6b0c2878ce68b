"""Whitening by intervals of order statistics, in frequency and space: the operator W of NoiseTilt, as far as known.

NoiseTilt (arXiv 2606.18066) turns a reward's gradient into noise by a chain of projections onto sets that hold 99.99%
of white noise: two-level order statistics of the values, of the means and of the energies of tiles, in several
orthonormal domains. White noise passes unchanged to a cosine above 0.99999. See `order_statistics` for the sets.

The paper's appendix was not available to us. Our choice are the tiles (see `compact_tiles`), the order (values, means,
energies), the domains (first the cosine transform of rows, columns and frames, then space), a single sweep over them,
the start from a root mean square of 1, how ties are broken, and no rescaling at the end. See docs/noisetilt.md for what
comes out.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch

from .checked_rows import unit_scale
from .compact_tiles import TILE, compact_order, runs
from .cosine_transform import cosine_transform, from_cosine_transform
from .spectral_blocks import BLOCK_SIZE, check_block_size
from .tile_intervals import clip_energies, clip_means, clip_values
from .white_noise import project_white_gaussian

_TIE_BREAKER_ROUNDINGS = 8.0  # of a value of 1
_CACHED_TIE_BREAKERS = 8


@torch.no_grad()
def whiten_order_statistics(x: torch.Tensor, check_finite: bool = True) -> torch.Tensor:
    """Bring each sample into the intervals of white noise, in frequency and then in space.

    Only the direction of `x` matters: it is brought to a root mean square of 1 first. White noise stays as it is from
    there on. The second domain moves what the first has settled a little, so the result is near both sets, and in
    neither.

    Args:
        x: real, (batch, channels, ..., rows, columns) or (batch, rows, columns), any floating dtype, any number of
            elements. Not changed. No gradient flows through.
        check_finite: refuse NaN and infinite values, for which the host waits for an accelerator. Without the
            check such a sample becomes NaN.

    Returns:
        new tensor of the shape, dtype and device of `x`, worked on in float32, float64 for float64. A sample of zeros
        stays zero.

    Raises:
        ValueError: no rows and columns, an empty batch, integer or complex `x`, NaN or infinite values.
    """
    _check(x)
    working = torch.float64 if x.dtype == torch.float64 else torch.float32
    rows = unit_scale(x.flatten(1).to(working), check_finite)
    norm = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    rows = rows * (math.sqrt(rows.shape[1]) / torch.where(norm > 0, norm, 1))
    rows = rows + _tie_breaker(rows.shape[1], working, x.device)
    order = compact_order(tuple(x.shape[1:]), x.device)
    axes = tuple(range(-min(3, max(2, x.dim() - 2)), 0))
    coefficients = cosine_transform(rows.view(x.shape), axes)
    coefficients = _into_intervals(coefficients.flatten(1), order).view(x.shape)
    white = _into_intervals(from_cosine_transform(coefficients, axes).flatten(1), order).view(x.shape)
    return white.masked_fill(_per_sample(norm == 0, x), 0).to(x.dtype)


@dataclass(frozen=True)
class OrderStatisticWhitener:
    """`whiten_order_statistics`, and GPER's projection after it, of the gradient and of the noise.

    The intervals leave neighbours a little alike, which the projection mends; the projection leaves a gradient that
    stands in one place there, which the intervals mend.

    Attributes:
        project: project afterwards, as `project_white_gaussian`. White noise then passes to a cosine of 0.99 rather
            than 0.99999.
        block_size: of the projection, at least 2.

    Raises:
        ValueError: on construction for a `block_size` below 2; in use as `whiten_order_statistics`, and with `project`
            as `project_white_gaussian`, except that samples that are not finite become NaN, which an ascent notices.
    """

    project: bool = True
    block_size: int = BLOCK_SIZE

    def __post_init__(self) -> None:
        check_block_size(self.block_size)

    def precondition(self, gradient: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """The gradient as noise, of norm near sqrt(N) per sample. A zero sample stays zero."""
        return self._white(gradient)

    def retract(self, noise: torch.Tensor) -> torch.Tensor:
        """White noise near the noise."""
        return self._white(noise)

    def _white(self, x: torch.Tensor) -> torch.Tensor:
        white = whiten_order_statistics(x, check_finite=False)
        if not self.project:
            return white
        silent = _per_sample(white.flatten(1).abs().amax(1) == 0, x)
        return project_white_gaussian(white, self.block_size, check_finite=False).masked_fill(silent, 0)


@lru_cache(_CACHED_TIE_BREAKERS)
@torch.inference_mode(False)
def _tie_breaker(length: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Fixed noise (N,) of the size of rounding errors.

    Without it equal values, such as the zeros of silent channels, would keep their order, and the intervals would make
    them the same rising ramp in every tile.
    """
    noise = torch.randn(length, generator=torch.Generator().manual_seed(0), dtype=dtype)
    return (_TIE_BREAKER_ROUNDINGS * torch.finfo(dtype).eps * noise).to(device)


def _check(x: torch.Tensor) -> None:
    if not x.is_floating_point():
        raise ValueError(f"the noise must be a real floating-point tensor, got {x.dtype}; convert it to float32 first")
    if x.dim() < 3 or x.numel() == 0:
        raise ValueError(
            "the noise must have shape (batch, channels, rows, columns), with frames before the rows for a video, and "
            f"hold at least one element, got {tuple(x.shape)}"
        )


def _per_sample(flags: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return flags.view(-1, *[1] * (x.dim() - 1))


def _into_intervals(rows: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """Values, means and energies of the tiles of rows (batch, N), in this order."""
    ordered = rows.index_select(1, order)
    tiled = [
        clip_energies(clip_means(clip_values(ordered[:, start : start + tiles * length].unflatten(1, (tiles, length)))))
        for start, tiles, length in runs(rows.shape[1], TILE)
    ]
    return torch.empty_like(rows).index_copy_(1, order, torch.cat([each.flatten(1) for each in tiled], 1))
