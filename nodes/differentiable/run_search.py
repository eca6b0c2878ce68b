"""A run with or without gradients: each imports what it needs of ComfyUI only when it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from .guided_sampling import GuidedSampling

if TYPE_CHECKING:
    from ...optimization import RunRecord
    from .run_sampler import Search


def run_search(sampling: GuidedSampling, search: Search, memory: str, needs_gradient: bool) -> tuple[RunRecord, Tensor]:
    """Run `search` on the noise of a guided, Euler-sampled, decoded and scored image, once `check_host` has passed.

    Args:
        search: with everything bound but `noise`, `generate`, `reward`, `graph_context` and `retry`.
        memory: one of `memory_modes.MODES`; without gradients it means nothing.

    Returns:
        The record, whose best noise is on the CPU, and the best denoised latent (B, C, ...) float32 on the CPU, as it
        would leave the sampler.
    """
    if needs_gradient:
        from .gradient_run import optimize_noise

        return optimize_noise(sampling, memory, search)
    from .inference_run import search_noise

    return search_noise(sampling, search)
