"""Counting the bytes of live tensors, operation by operation: on the CPU too, and independent of any allocator."""

import weakref

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveMemory(TorchDispatchMode):
    """While open, follows the storage of every tensor that an operation returns, forward and backward.

    live: bytes alive now. peak: the most so far; `reset_peak` starts again from what is alive.
    Not counted: tensors made before, and what a kernel allocates and frees inside itself, such as a convolution's
    workspace.
    """

    def __init__(self):
        super().__init__()
        self.live = 0
        self.peak = 0
        self._seen: set[int] = set()

    def reset_peak(self) -> None:
        self.peak = self.live

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        self._follow((args, kwargs), counted=False)  # not seen until now: made before
        result = func(*args, **kwargs)
        self._follow(result, counted=True)
        return result

    def _follow(self, values, counted: bool) -> None:
        for tensor in tree_leaves(values):
            if not isinstance(tensor, Tensor):
                continue
            storage = tensor.untyped_storage()
            if storage._cdata in self._seen:
                continue
            size = storage.nbytes() if counted else 0
            self._seen.add(storage._cdata)
            self.live += size
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self._freed, storage._cdata, size)

    def _freed(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.live -= size
