"""Arithmetic that comes out the same each time, so that what differs is the weights."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")


@contextmanager
def repeatable_arithmetic(strict: bool) -> Iterator[None]:
    """Deterministic kernels and no TF32 while open. strict: an operation without such a kernel raises RuntimeError.

    ComfyUI's own --deterministic would not do: it also makes copies to the card blocking, and so hides what
    asynchronous offloading may get wrong.
    """
    deterministic = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    filled = torch.utils.deterministic.fill_uninitialized_memory
    switches = torch.backends.cudnn, torch.backends.cuda.matmul
    tf32 = [switch.allow_tf32 for switch in switches]
    try:
        torch.use_deterministic_algorithms(True, warn_only=not strict)
        torch.utils.deterministic.fill_uninitialized_memory = False  # memory is as it is in an ordinary run
        for switch in switches:
            switch.allow_tf32 = False
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic[0], warn_only=deterministic[1])
        torch.utils.deterministic.fill_uninitialized_memory = filled
        for switch, before in zip(switches, tf32, strict=True):
            switch.allow_tf32 = before


def repeatably(compute: Callable[[], T]) -> tuple[T, bool]:
    """What `compute` returns, and whether all of it was deterministic."""
    try:
        with repeatable_arithmetic(strict=True):
            return compute(), True
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
    with repeatable_arithmetic(strict=False):
        return compute(), False
