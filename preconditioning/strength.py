"""How far noise may leave its start: the nearest point within an angle of it, on the white-Gaussian set or off it.

The strength d in [0, 1] is the distance of `vary_white_gaussian`: the share of a right angle, so that the noise keeps a
cosine of at least cos(d pi / 2) to its start. 0.2 are siblings (0.95), 1 is no limit.

On the set G of `white_noise` all points have the same norm, so the nearest one within the angle of a member s,

    argmin ||z - x||  subject to  z in G  and  <z, s> >= cos(d pi / 2) N,

is the one of G nearest to x + l s for some l >= 0: it has the largest <z, x> + l <z, s> of all of G, hence the largest
<z, x> of those with its <z, s>. The blend x + l s is followed by its angle to s, which the angle of the nearest member
rises with, and the limit is found by Illinois steps (Dowell and Jarratt 1971, "A modified regula falsi method").
"""

import math
from collections.abc import Callable

import torch

from .block_magnitudes import looks_are_cheap
from .preconditioner import WhiteGaussianProjector
from .spectral_blocks import BLOCK_SIZE
from .white_noise import project_white_gaussian

NO_LIMIT = 1.0
_ROUNDS = 12  # from any noise to the rounding of float32; a step of an ascent needs 2 to 5
_MARGIN = 8.0  # roundings that the distance is meant to stay below its limit, so that it ends on the right side


def check_strength(strength: float) -> None:
    """Raise ValueError unless `strength` is in [0, 1]."""
    if not 0 <= strength <= NO_LIMIT:
        raise ValueError(
            f"strength is {strength}: set it between 0 (the noise stays as it is) and 1 (no limit); 0.2 keeps the "
            "picture recognisable."
        )


def retraction_within(preconditioner, strength: float, start: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """What brings noise back after a step of an ascent that may not leave its start by more than `strength`.

    A projector of the noise gives way to `nearest_white_within`, around the member nearest to the start: what lies
    between the two is not counted. After any other `retract` comes `turn_towards`.

    Args:
        preconditioner: with `retract`, as in `optimization.Preconditioner`.
        strength: in [0, 1], see the module's docstring.
        start: (batch, ...), the noise that the ascent starts from.

    Returns:
        noise (batch, ...) -> noise of the same shape, dtype and device.

    Raises:
        ValueError: a strength out of range.
    """
    check_strength(strength)
    if isinstance(preconditioner, WhiteGaussianProjector) and preconditioner.project_latent:
        member = preconditioner.retract(start)
        return lambda noise: nearest_white_within(noise, member, strength, preconditioner.block_size)
    return lambda noise: turn_towards(preconditioner.retract(noise), start, strength)


@torch.no_grad()
def turn_towards(noise: torch.Tensor, start: torch.Tensor, strength: float) -> torch.Tensor:
    """Turn each sample towards its start, by no more than it takes to be within the strength's angle of it.

    The direction is the nearest one; the length, which a method may have its own ideas about, stays. A sample opposite
    to its start, for which all directions are equally near, gets that of the start.

    Args:
        noise, start: real, of one shape (batch, ...). Not changed. A sample that is zero in either stays as it is.
        strength: in [0, 1].

    Returns:
        new tensor like `noise`; samples within the angle bit for bit.
    """
    check_strength(strength)
    limit = strength * math.pi / 2
    towards, across, angle, length = _seen_from(noise, start)
    lost = (across == 0).all(1, keepdim=True)
    turned = math.cos(limit) * towards + math.sin(limit) * across
    turned = length * torch.where(lost, towards, turned)
    bound = (angle > limit) & (towards != 0).any(1, keepdim=True)
    return torch.where(bound, turned.to(noise.dtype), noise.flatten(1)).view_as(noise)


@torch.no_grad()
def nearest_white_within(
    noise: torch.Tensor, member: torch.Tensor, strength: float, block_size: int = BLOCK_SIZE
) -> torch.Tensor:
    """The member of the white-Gaussian set nearest to each sample, of those within the strength's angle of `member`.

    Args:
        noise: real, shape (batch, ...), an even number of elements per sample. Not changed.
        member: of that shape, in the set of `block_size`, see `project_white_gaussian`. Not changed.
        strength: in [0, 1].
        block_size: of the set.

    Returns:
        new tensor like `noise`. Where the limit does not bind, `project_white_gaussian` of the sample; where it
        binds, a member of the set at the limit, up to the rounding of the working dtype. A sample that is not finite
        becomes NaN. On an accelerator the host waits for nothing.

    Raises:
        ValueError: a strength out of range; else as `project_white_gaussian`, values that are not finite excepted.
    """
    check_strength(strength)
    working = torch.float64 if noise.dtype == torch.float64 else torch.float32
    nearest = project_white_gaussian(noise.to(working), block_size, check_finite=False).flatten(1)
    towards, across, angle, _ = _seen_from(noise.to(working), member.to(working))
    rms = math.sqrt(nearest.shape[1])
    center = member.flatten(1).to(working)

    # Distances instead of cosines, which say nothing of small angles; both in units of the set's radius.
    def distance(point: torch.Tensor) -> torch.Tensor:
        return torch.linalg.vector_norm(point - center, dim=1, keepdim=True) / rms

    limit = 2 * math.sin(strength * math.pi / 4)
    margin = _MARGIN * torch.finfo(working).eps
    aim = limit * (1 - margin)
    found = distance(nearest)
    binds = found > limit
    looks = looks_are_cheap(noise.device)
    if looks and not binds.any():
        return nearest.to(noise.dtype).view_as(noise)

    best, best_distance = center, torch.zeros_like(found)
    low, low_miss = torch.zeros_like(angle), torch.full_like(angle, -aim)
    high, high_miss = angle, torch.where(binds, found - aim, 1)
    was_below = torch.zeros_like(binds)
    was_above = torch.zeros_like(binds)
    for _ in range(_ROUNDS):
        tried = (low * high_miss - high * low_miss) / (high_miss - low_miss)
        blend = tried.cos() * towards + tried.sin() * across
        point = project_white_gaussian(blend, block_size, check_finite=False)
        found = distance(point)
        better = (found <= limit) & (found > best_distance)
        best, best_distance = torch.where(better, point, best), torch.where(better, found, best_distance)
        miss = found - aim
        above = miss > 0
        low, low_miss = torch.where(above, low, tried), torch.where(above, low_miss, miss)
        high, high_miss = torch.where(above, tried, high), torch.where(above, miss, high_miss)
        # Illinois: an end that stays for a second time counts half, or it would stay for good.
        low_miss = torch.where(above & was_above, low_miss / 2, low_miss)
        high_miss = torch.where(~above & was_below, high_miss / 2, high_miss)
        was_above, was_below = above, ~above
        if looks and not (binds & (best_distance < limit * (1 - 2 * margin))).any():
            break
    return torch.where(binds, best, nearest).to(noise.dtype).view_as(noise)


def _seen_from(
    noise: torch.Tensor, start: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Noise in the plane that it spans with its start: the unit vectors (batch, N) to the start and across, the angle
    (batch, 1) from the start in [0, pi], and the length (batch, 1)."""
    rows = noise.flatten(1).to(torch.promote_types(noise.dtype, torch.float32))
    towards = torch.nn.functional.normalize(start.flatten(1).to(rows), dim=1, eps=torch.finfo(rows.dtype).tiny)
    along = (rows * towards).sum(1, keepdim=True)
    across = rows - along * towards
    # Once more: where the noise is nearly parallel to the start, rounding has left some of it.
    across = across - (across * towards).sum(1, keepdim=True) * towards
    width = torch.linalg.vector_norm(across, dim=1, keepdim=True)
    rounding = _MARGIN * torch.finfo(rows.dtype).eps * along.abs()
    across = torch.where(width > rounding, across / width.clamp_min(torch.finfo(rows.dtype).tiny), 0)
    return towards, across, torch.atan2(width, along), torch.linalg.vector_norm(rows, dim=1, keepdim=True)
