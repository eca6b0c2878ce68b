"""Numbers that every evaluation needs beside the images: uploaded once, because an upload makes the host wait."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


def constant(values: tuple, like: Tensor) -> Tensor:
    """``values`` (numbers, nested in tuples) on the device and in the dtype of ``like``; not to be changed."""
    return _uploaded(values, like.device, like.dtype)


@lru_cache(maxsize=64)
def _uploaded(values: tuple, device: torch.device, dtype: torch.dtype) -> Tensor:
    with torch.inference_mode(False):  # a later backward saves it
        return torch.tensor(values, dtype=dtype).to(device)
