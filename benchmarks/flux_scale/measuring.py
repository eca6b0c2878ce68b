"""Seconds and bytes of a step, on the CPU and on a GPU."""

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from ..live_memory import LiveMemory
from ..shared import now


@dataclass
class Samples:
    """seconds of each measured step; peak_bytes: beside the weights, of the tensors of one step.

    estimated_bytes: what the pack reckoned with. kept: what it kept for the backward pass, in words. recomputed: share
    of the transformer that it did not keep. resident: share of the transformer's weights that were on the device.
    """

    seconds: list[float] = field(default_factory=list)
    peak_bytes: int = 0
    estimated_bytes: float = 0.0
    kept: str = ""
    recomputed: float = 0.0
    resident: float = 1.0

    @property
    def median(self) -> float | None:
        return statistics.median(self.seconds) if self.seconds else None


@contextmanager
def peak_memory(device: torch.device, samples: Samples) -> Iterator[None]:
    """Note the most bytes that the tensors of what runs inside take: of the allocator on a GPU, else counted."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        yield
        samples.peak_bytes = torch.cuda.max_memory_allocated() - before
    else:
        with LiveMemory() as memory:
            yield
        samples.peak_bytes = memory.peak


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
    seconds = []
    for _ in range(5):
        started = now(device)
        for _ in range(4):
            a @ b
        seconds.append(now(device) - started)
    return 4 * 2 * size**3 / min(seconds)
