"""Whether noise lies in the set of `project_white_gaussian`."""

import torch

from preconditioning import block_norm_deviations


def in_white_set(x: torch.Tensor, block_size: int = 16, tolerance: float = 1e-4) -> torch.Tensor:
    """(batch,), up to a relative `tolerance` on both norms of every block."""
    one_norm, energy = block_norm_deviations(x, block_size)
    return (torch.maximum(one_norm.abs(), energy.abs()) <= tolerance).all(-1)
