"""Neighbours of a noise on the set of vectors that look like white Gaussian noise."""

import math

import torch

from .spectral_blocks import BLOCK_SIZE
from .white_noise import draw_white_gaussian, project_white_gaussian


def vary_white_gaussian(
    noise: torch.Tensor,
    distance: float,
    count: int,
    generator: torch.Generator | None = None,
    block_size: int = BLOCK_SIZE,
) -> torch.Tensor:
    """Walk from each noise towards fresh white noises, along great circles of the sphere, and end on the set.

    The walk begins at the member of the set nearest to the noise, see `project_white_gaussian`. Spherical
    interpolation (Shoemake 1985, "Animating rotation with quaternion curves") keeps the norm; the blend is then
    moved to the nearest member. What lay between the noise and the set is added again, less with the distance, so
    that a short walk from noise outside the set, such as raw noise, is a small change too.

    Args:
        noise: real, shape (batch, ...), an even number of elements per sample. Not changed.
        distance: share of the way, in [0, 1]. 0: copies of the noise itself, bit for bit. 1: fresh noise.
        count: variations of each sample, at least 1.
        generator: source of the fresh noise, drawn on its device. More variations with the same generator
            state begin with the same ones.
        block_size: of the set.

    Returns:
        new tensor (batch * count, ...) of the dtype and device of `noise`: the variations of the first
        sample, then those of the second.

    Raises:
        ValueError: a distance outside [0, 1], a count below 1; else as `project_white_gaussian`.
    """
    if not 0 <= distance <= 1:
        raise ValueError(f"the distance is {distance}: set it between 0 (the noise itself) and 1 (fresh noise)")
    if count < 1:
        raise ValueError(f"the count is {count}: set it to 1 or more")
    if distance == 0:
        return noise.repeat_interleave(count, 0)
    working = torch.float64 if noise.dtype == torch.float64 else torch.float32
    # Drawn variation by variation, so that a larger count only adds some.
    draws = [draw_white_gaussian(noise.shape, block_size, generator, working, noise.device) for _ in range(count)]
    fresh = torch.stack(draws, 1).flatten(0, 1)
    start = noise.to(working).repeat_interleave(count, 0)
    member = project_white_gaussian(start, block_size)
    varied = project_white_gaussian(_slerp(member.flatten(1), fresh.flatten(1), distance), block_size)
    # This share keeps the norm: the rest is nearly orthogonal to the noise, whose own share is the same cosine.
    share = math.cos(distance * math.pi / 2)
    return (varied.view_as(start) + share * (start - member)).to(noise.dtype)


def _slerp(start: torch.Tensor, end: torch.Tensor, share: float) -> torch.Tensor:
    """Vectors (batch, N) whose directions lie on the great circle from `start` to `end`; their lengths vary."""
    start = torch.nn.functional.normalize(start, dim=1)
    end = torch.nn.functional.normalize(end, dim=1)
    angle = (start * end).sum(1, keepdim=True).clamp(-1, 1).acos()
    # Parallel vectors span no circle: then the straight line is as good.
    straight = angle.sin() < 1e-6
    safe = torch.where(straight, math.pi / 2, angle)
    first = torch.where(straight, 1 - share, ((1 - share) * safe).sin())
    second = torch.where(straight, share, (share * safe).sin())
    return first * start + second * end
