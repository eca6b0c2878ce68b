"""Make what was created in inference mode usable by autograd.

Nodes run in `torch.inference_mode()`; "inference tensors cannot be saved for backward". Weights are given an
ordinary tensor over the same memory, so nothing is copied and a 24 GB model stays 24 GB; small things
(conditioning, latents) are cloned.
"""

from typing import Any

import torch
from torch import Tensor, nn


def freeze_as_ordinary(module: nn.Module) -> None:
    """Replace inference parameters and buffers of `module` by ordinary, frozen ones of the same memory.

    So are the pinned buffers through which dynamic VRAM brings weights: ComfyUI writes into them again when it is short
    of main memory, which inference tensors forbid here. Values, dtypes, devices and addresses stay the same, so this
    needs no undoing. Call it outside inference mode.
    """
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None and (parameter.is_inference() or parameter.requires_grad):
                frozen = nn.Parameter(_ordinary(parameter.data), requires_grad=False)
                frozen.__dict__.update({**parameter.__dict__, **frozen.__dict__})  # ComfyUI notes dtypes on parameters
                part._parameters[name] = frozen
        for name, buffer in part._buffers.items():
            if buffer is not None and buffer.is_inference():
                part._buffers[name] = _ordinary(buffer)
        for holder in (part, *part.__dict__.values()):  # a LoRA that is applied on the fly is an attribute
            # not getattr: a model config answers None for what it does not have
            for pinned in getattr(holder, "__dict__", {}).get("_pins", {}).values():
                if "pin" in pinned and pinned["pin"].is_inference():
                    pinned["pin"] = _ordinary(pinned["pin"])


def unwrap_attributes(holder: object) -> None:
    """The same for tensors that are plain attributes of `holder`, as the statistics in a latent format are."""
    for name, value in list(vars(holder).items()):
        if isinstance(value, Tensor) and value.is_inference():
            setattr(holder, name, _ordinary(value))


def clone_inference_tensors(value: Any) -> Any:
    """A copy of nested lists, tuples and dicts in which inference tensors are cloned; other objects are shared."""
    if isinstance(value, Tensor):
        return value.clone() if value.is_inference() else value
    if isinstance(value, dict):
        return {key: clone_inference_tensors(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clone_inference_tensors(item) for item in value]
    if type(value) is tuple:
        return tuple(clone_inference_tensors(item) for item in value)
    return value


def _ordinary(tensor: Tensor) -> Tensor:
    if not tensor.is_inference():
        return tensor.detach()
    kind = type(tensor)
    if hasattr(kind, "__tensor_flatten__"):  # a quantized tensor: numbers and scales, each a tensor of its own
        names, context = tensor.__tensor_flatten__()
        parts = {name: _ordinary(getattr(tensor, name)) for name in names}
        return kind.__tensor_unflatten__(parts, context, tensor.size(), tensor.stride())
    with torch._C.DisableTorchFunctionSubclass():  # a subclass may report a shape that is not its memory's
        alias = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
        alias.set_(tensor.untyped_storage(), tensor.storage_offset(), tensor.size(), tensor.stride())
    if kind in (Tensor, nn.Parameter):
        return alias
    alias = alias.as_subclass(kind)
    alias.__dict__.update(tensor.__dict__)
    return alias
