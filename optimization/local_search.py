"""Zero-order local search: try noise near the best so far, move there when it is better."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from .evaluations import Step, never
from .movable import movable_part
from .record import RunRecord
from .search import search
from .stopping import Stopping

RADIUS = 0.3  # about a cosine of 0.95 between pivot and candidate
SEED_SHIFT = 0x9E3779B97F4A7C15


def local_search(
    noise: Tensor,
    generate: Callable[[Tensor], Tensor],
    reward: Callable[[Tensor], Tensor],
    *,
    retract: Callable[[Tensor], Tensor],
    radius: float = RADIUS,
    seed: int = 0,
    stopping: Stopping | None = None,
    callback: Callable[[Step], str | None] | None = None,
    graph_context: Callable[[], AbstractContextManager] = nullcontext,
    retry: Callable[[Exception], bool] = never,
    movable: Tensor | None = None,
) -> RunRecord:
    """Climb `reward(generate(noise))` by trial, each sample of the batch on its own.

        repeat:  y = retract(a random point at `radius` from x on the sphere through x);  x = y if it is better

    The zero-order search of Ma et al., "Inference-Time Scaling for Diffusion Models beyond Scaling Denoising
    Steps" (arXiv 2501.09732), with one candidate at a time, which wastes none on a pivot already surpassed. Needs
    no gradient: it works for generators and rewards without a backward.

    A candidate whose reward is not finite is noted and passed over.

    Args:
        noise, generate, reward, stopping, callback, graph_context, retry, movable: as for `ascend`.
        retract: brings a candidate to where noise belongs, such as a projector's `retract`; the identity keeps it on
            the sphere.
        radius: distance from pivot to candidate before `retract`, in units of the pivot's own norm, above 0 and at
            most sqrt(2), where a candidate has nothing of its pivot left.
        seed: of the candidates; drawn on the CPU, so that every device tries the same ones.

    Returns:
        the record, as of `ascend`.

    Raises:
        ValueError: the radius is out of range; else as `ascend`.
    """
    if not 0 < radius <= math.sqrt(2):
        raise ValueError(f"The search radius is {radius}: set it above 0 and at most to 1.41 (0.3 is usual).")
    # Shifted, because the start noise may have been drawn from the same seed: the first direction would be itself.
    generator = torch.Generator().manual_seed((seed + SEED_SHIFT) % 2**64)

    part = movable_part(movable)

    def propose(record: RunRecord) -> Tensor:
        pivot = record.best_noise
        direction = torch.randn(pivot.shape, generator=generator).to(pivot)
        pairs = zip(part.parts(pivot), part.parts(direction), strict=True)
        return part.put(pivot, [retract(_on_sphere(*pair, radius)) for pair in pairs])

    return search(noise, generate, reward, propose, stopping, callback, graph_context, retry, movable)


def _on_sphere(pivot: Tensor, direction: Tensor, radius: float) -> Tensor:
    """Per sample (B, ...): the point of the pivot's sphere towards `direction`, `radius` norms away.

    A chord of r norms spans the angle whose cosine is 1 - r^2 / 2.
    """
    flat = pivot.flatten(1)
    norm = torch.linalg.vector_norm(flat, dim=1, keepdim=True)
    unit = flat / norm.clamp_min(torch.finfo(norm.dtype).tiny)
    tangent = direction.flatten(1)
    tangent = torch.nn.functional.normalize(tangent - (tangent * unit).sum(1, keepdim=True) * unit, dim=1)
    cosine = 1 - radius**2 / 2
    return (cosine * flat + math.sqrt(1 - cosine**2) * norm * tangent).view_as(pivot)
