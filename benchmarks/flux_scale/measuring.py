"""Bytes of a step and the speed of a matrix product, on the CPU and on a GPU."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from tools.live_memory import LiveMemory

from ..shared import least_milliseconds
from .report import Result


@contextmanager
def peak_memory(device: torch.device, result: Result) -> Iterator[None]:
    """Note the most bytes that the tensors of what runs inside take: of the allocator on a GPU, else counted."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        yield
        result.peak_bytes = torch.cuda.max_memory_allocated() - before
    else:
        with LiveMemory() as memory:
            yield
        result.peak_bytes = memory.peak


@contextmanager
def memory_cap(device: torch.device, size: float) -> Iterator[None]:
    """Let ComfyUI believe that the device has `size` bytes, and let a GPU's allocator give no more."""
    import comfy.model_management as management

    before = management.EXTRA_RESERVED_VRAM
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(size / total)
    else:
        total = management.get_free_memory(device)
    management.EXTRA_RESERVED_VRAM = before + total - size
    try:
        yield
    finally:
        management.EXTRA_RESERVED_VRAM = before
        if device.type == "cuda":
            torch.cuda.set_per_process_memory_fraction(1.0)


def matmul_peak(device: torch.device, dtype: torch.dtype, size: int) -> float:
    """FLOP/s of a square matrix product, the best of several."""
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))

    def four_products() -> None:
        for _ in range(4):
            a @ b

    (milliseconds,) = least_milliseconds([four_products], 5, device)
    return 4 * 2 * size**3 / (milliseconds / 1e3)
