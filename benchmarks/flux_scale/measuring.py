"""Seconds and bytes of a step, on the CPU and on a GPU."""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from ..live_memory import LiveMemory


@dataclass
class Samples:
    """seconds of each measured step; peak_bytes: beside the weights, of the tensors of one step."""

    seconds: list[float] = field(default_factory=list)
    peak_bytes: int = 0

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def now(device: torch.device) -> float:
    """Seconds of the wall on a GPU, else of this process, so that what else the machine runs hardly counts."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


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


def matmul_peak(device: torch.device, dtype: torch.dtype, size: int) -> float:
    """FLOP/s of a square matrix product, the best of several."""
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(5):
        started = now(device)
        for _ in range(4):
            a @ b
        best = min(best, (now(device) - started) / 4)
    return 2 * size**3 / best
