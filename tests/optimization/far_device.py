"""A pretended accelerator: tensors that claim to be elsewhere, so that every wait for them can be counted on a CPU."""

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

FAR = torch.device("meta")
READS = {torch.ops.aten._local_scalar_dense.default, torch.ops.aten.equal.default, torch.ops.aten.is_nonzero.default}
# The size of the result depends on values, which a GPU has to tell the host first.
SIZED_BY_VALUES = {
    torch.ops.aten.nonzero.default,
    torch.ops.aten.masked_select.default,
    torch.ops.aten._unique2.default,
    torch.ops.aten.repeat_interleave.Tensor,
}


class FarTensor(Tensor):
    """Holds an ordinary tensor in `near`; works only while a FarDevice is open."""

    @staticmethod
    def __new__(cls, near: Tensor):
        far = Tensor._make_wrapper_subclass(
            cls, near.shape, strides=near.stride(), dtype=near.dtype, device=FAR, requires_grad=near.requires_grad
        )
        far.near = near
        return far

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise RuntimeError(f"{func} on a far tensor: open a FarDevice first")


class FarDevice(TorchDispatchMode):
    """While open, counts in `waits` how often the host needs a value of a far tensor, or waits for an upload."""

    def __init__(self):
        super().__init__()
        self.waits = 0

    def to(self, tensor: Tensor) -> FarTensor:
        return FarTensor(tensor)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        far = [leaf for leaf in leaves if isinstance(leaf, FarTensor)]
        target = kwargs.get("device")
        stays = bool(far) if target is None else torch.device(target) == FAR
        if far and (func in READS or func in SIZED_BY_VALUES or _masks(func, args) or not stays):
            self.waits += 1
        uploaded = func is torch.ops.aten._to_copy.default and not far and target is not None
        if uploaded and torch.device(target) == FAR and not kwargs.get("non_blocking"):
            self.waits += 1
        if far and stays and any(not isinstance(leaf, FarTensor) and leaf.dim() for leaf in leaves):
            raise RuntimeError(f"{func} of tensors on two devices")
        if target is not None and torch.device(target) == FAR:
            kwargs["device"] = "cpu"
            if func is torch.ops.aten._to_copy.default:
                args = tree_map(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, args)
        nears = {id(leaf.near): leaf for leaf in far}
        args, kwargs = tree_map(lambda leaf: leaf.near if isinstance(leaf, FarTensor) else leaf, (args, kwargs))
        result = func(*args, **kwargs)
        if not stays or func in READS:
            return result

        def wrapped(leaf):
            if not isinstance(leaf, Tensor):
                return leaf
            return nears[id(leaf)] if id(leaf) in nears else FarTensor(leaf)

        return tree_map(wrapped, result)


def _masks(func, args) -> bool:
    """Whether this is indexing by a mask."""
    if func not in (torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default):
        return False
    return any(index is not None and index.dtype == torch.bool for index in args[1])
