"""Tensors that autograd saved stay as they were when a model changes them in place before the backward pass.

`torch.autograd.graph.allow_mutation_on_saved_tensors` has the same purpose, but knows a tensor by the address of its
first element, its version and its Python id. A change through a slice has another address and is overlooked, and the
three may come again once a copy was made and the original is freed: either way the gradient is wrong without an
error. Here a tensor is known by its storage, which lives as long as something uncopied is saved in it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from weakref import WeakValueDictionary

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode


@contextmanager
def saved_before_mutation() -> Iterator[None]:
    """Copy what autograd saved right before an operation writes into its memory; nothing is copied otherwise.

    Forward and backward pass both belong into the context. Contexts may be nested: the inner one then saves.
    """
    saved = _SavedTensors()
    with saved_tensors_hooks(saved.pack, _Saved.unpack), _CopyBeforeWrite(saved):
        yield


class _Saved:
    __slots__ = ("__weakref__", "tensor")

    def __init__(self, tensor: Tensor):
        self.tensor = tensor

    def unpack(self) -> Tensor:
        return self.tensor


class _SavedTensors:
    """What the graph holds and nobody has copied yet, by storage and by the place in it."""

    def __init__(self):
        self._by_storage: dict[int, WeakValueDictionary] = {}

    def pack(self, tensor: Tensor) -> _Saved:
        # An operation's own result knows the operation, which would hold it: a circle that Python cannot free.
        tensor = tensor.detach()
        if tensor.layout != torch.strided:
            return _Saved(tensor)
        group = self._by_storage.setdefault(_storage(tensor), WeakValueDictionary())
        place = (
            type(tensor),
            tensor.dtype,
            tensor.storage_offset(),
            tensor.size(),
            tensor.stride(),
            tensor.is_conj(),
            tensor.is_neg(),
        )
        saved = group.get(place)
        if saved is None:
            saved = group[place] = _Saved(tensor)
        return saved

    def copy(self, written: Tensor) -> None:
        """Give everything saved in the storage of `written` memory of its own."""
        if not self._by_storage or written.layout != torch.strided:
            return
        for saved in (self._by_storage.pop(_storage(written), None) or {}).values():
            saved.tensor = saved.tensor.clone()


class _CopyBeforeWrite(TorchDispatchMode):
    def __init__(self, saved: _SavedTensors):
        super().__init__()
        self.saved = saved

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        for index, name in _written_arguments(func):
            value = args[index] if index < len(args) else kwargs.get(name)
            for tensor in value if isinstance(value, list | tuple) else (value,):
                if isinstance(tensor, Tensor):
                    self.saved.copy(tensor)
        return func(*args, **kwargs)


@cache
def _written_arguments(func) -> tuple[tuple[int, str], ...]:
    return tuple(
        (index, argument.name)
        for index, argument in enumerate(func._schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    )


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
