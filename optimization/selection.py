"""Choosing between two tensors sample by sample."""

import torch
from torch import Tensor


def select(samples: Tensor, chosen: Tensor, other: Tensor) -> Tensor:
    """`chosen` (B, ...) for the samples marked in `samples` (B,) bool, `other` for the rest.

    `samples` may be on the CPU, and its upload does not make the host wait; Apple's GPU may read it after it is gone.
    """
    mask = samples.to(chosen.device, non_blocking=chosen.device.type != "mps")
    return torch.where(mask.view(-1, *[1] * (chosen.dim() - 1)), chosen, other)
