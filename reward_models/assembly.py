"""Filling a library's module with the tensors of a checkpoint: every key accounted for."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from .checkpoint import Checkpoint


def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    """Build a module without allocating or initialising its weights."""
    with torch.device("meta"):
        return build()


def assemble(
    module: nn.Module,
    checkpoint: Checkpoint,
    dtype: torch.dtype,
    rename: Callable[[str], str | None] = lambda name: name,
) -> nn.Module:
    """Fill a module built `on_meta` with a checkpoint's tensors, cast to `dtype`; frozen and in eval mode.

    Args:
        module: the module; its own state dict says which tensors are needed.
        checkpoint: where they are read from, one at a time.
        dtype: dtype of the floating-point weights.
        rename: from a name in the checkpoint to the module's name for it, or None for tensors not needed.

    Raises:
        ValueError: tensors are missing, unexpected or of another shape; the first ones are named.
    """
    needed = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    stored = {target: name for name in checkpoint.shapes if (target := rename(name)) is not None}
    problems = {
        "missing": [name for name in needed if name not in stored],
        "unexpected": [name for target, name in stored.items() if target not in needed],
        "of another shape": [
            f"{stored[name]} {checkpoint.shapes[stored[name]]} instead of {shape}"
            for name, shape in needed.items()
            if name in stored and checkpoint.shapes[stored[name]] != shape
        ],
    }
    if any(problems.values()):
        listed = "; ".join(f"{len(names)} {problem}: {_first(names)}" for problem, names in problems.items() if names)
        raise ValueError(f"{checkpoint.path.name} does not fit {type(module).__name__}. Tensors {listed}.")
    # The copy detaches each tensor from the mapped file, so at most one tensor exists twice.
    weights = {name: checkpoint.tensor(stored[name]).to(dtype, copy=True) for name in needed}
    module.load_state_dict(weights, assign=True)
    _fill_constant_buffers(module)
    return module.requires_grad_(False).eval()


def _fill_constant_buffers(module: nn.Module) -> None:
    """Compute the buffers that checkpoints do not store: position indices and the causal mask of CLIP."""
    for name, buffer in list(module.named_buffers()):
        if not buffer.is_meta:
            continue
        owner_name, _, own_name = name.rpartition(".")
        if own_name == "position_ids":
            values = torch.arange(buffer.shape[-1]).expand(buffer.shape)
        elif own_name == "attn_mask":
            values = torch.full(buffer.shape, float("-inf")).triu(1)
        else:
            raise ValueError(f"{type(module).__name__} of this library version has an unknown buffer {name}.")
        module.get_submodule(owner_name).register_buffer(own_name, values, persistent=False)


def _first(names: list[str], count: int = 3) -> str:
    return ", ".join(names[:count]) + (", ..." if len(names) > count else "")
