"""What evaluations need on the device beside the images, brought there without making the host wait at each step."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


def upload(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor` on `device` without waiting, except for Apple's GPU, which may read it after it is gone."""
    return tensor.to(device, non_blocking=device.type != "mps")


def constant(values: tuple, like: Tensor) -> Tensor:
    """`values` (numbers, nested in tuples) on the device and in the dtype of `like`; not to be changed."""
    return _uploaded(values, like.device, like.dtype)


@lru_cache(maxsize=64)
def _uploaded(values: tuple, device: torch.device, dtype: torch.dtype) -> Tensor:
    with torch.inference_mode(False):  # a later backward saves it
        return torch.tensor(values, dtype=dtype).to(device)
