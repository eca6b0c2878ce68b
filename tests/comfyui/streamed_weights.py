"""Weights that pass through one buffer, on the CPU: what offloading and dynamic VRAM do with the memory of a GPU.

There, a layer's weight is copied into memory that the next layer's cast fills again (asynchronous offloading), or that
may be taken away as soon as the layer lets go of it (dynamic VRAM). Here every cast of a streamed layer lands in the
same buffer, under autograd's radar as there, and the buffer is filled with NaN when the layer lets go. What is
emulated is the lifetime of memory; streams, page faults and the kernels of a GPU are not.

Import this module inside tests only: it needs `host`.
"""

import ctypes

import comfy.memory_management
import comfy.model_management
import comfy.ops
import comfy.patcher_extension
import torch
from comfy.model_patcher import ModelPatcher
from comfy.quant_ops import QuantizedTensor
from torch import Tensor, nn

BUFFER_BYTES = 1 << 24


class StreamedWeights:
    """casts: how often a weight went through the buffer."""

    def __init__(self, monkeypatch):
        self.casts = 0
        self._memory = ctypes.create_string_buffer(BUFFER_BYTES)
        self._used = 0
        self._stock_cast = comfy.ops.cast_bias_weight
        self._stock_uncast = comfy.ops.uncast_bias_weight
        monkeypatch.setattr(comfy.ops, "cast_bias_weight", self._cast)
        monkeypatch.setattr(comfy.ops, "uncast_bias_weight", self._uncast)
        self._monkeypatch = monkeypatch

    def stream(self, model: nn.Module) -> int:
        """Stream every layer of `model` that casts; returns how many."""
        layers = [part for part in model.modules() if getattr(part, "comfy_cast_weights", False)]
        for layer in layers:
            self._monkeypatch.setattr(layer, "_v", self, raising=False)  # what ComfyUI's dynamic VRAM notes there
        return len(layers)

    def stream_all(self, model: nn.Module) -> int:
        """As dynamic VRAM does."""
        for part in model.modules():
            if hasattr(part, "comfy_cast_weights"):
                self._monkeypatch.setattr(part, "comfy_cast_weights", True)
        return self.stream(model)

    def offload(self, patcher: ModelPatcher, resident_share: float) -> list[int]:
        """Let ComfyUI load only a share of the weights, and stream the others; the list gets how many layers."""
        budget = max(1, int(resident_share * patcher.model_size()))
        counts = []

        def partially_load(device, extra_memory=0, force_patch_weights=False):
            extra = budget - patcher.model.model_loaded_weight_memory
            return type(patcher).partially_load(patcher, device, extra, force_patch_weights)

        comfy.model_management.unload_all_models()
        self._monkeypatch.setattr(patcher, "partially_load", partially_load)
        patcher.add_callback(
            comfy.patcher_extension.CallbacksMP.ON_LOAD,
            lambda patcher, *_: counts.append(self.stream(patcher.model)),
        )
        return counts

    def _cast(self, layer, *args, offloadable=False, **kwargs):
        if getattr(layer, "_v", None) is not self:
            return self._stock_cast(layer, *args, offloadable=offloadable, **kwargs)
        del layer._v  # the stock cast would look for a page of a GPU
        try:
            weight, bias, handle = self._stock_cast(layer, *args, offloadable=True, **kwargs)
        finally:
            layer._v = self
        self.casts += 1
        self._used = 0
        weight, bias = self._staged(weight), self._staged(bias)
        return (weight, bias, handle) if offloadable else (weight, bias)

    def _uncast(self, layer, weight, bias, handle):
        if getattr(layer, "_v", None) is self:
            ctypes.memset(self._memory, 0xFF, BUFFER_BYTES)
        else:
            self._stock_uncast(layer, weight, bias, handle)

    def _staged(self, tensor: Tensor | None) -> Tensor | None:
        if tensor is None:
            return None
        if isinstance(tensor, QuantizedTensor):
            names, context = tensor.__tensor_flatten__()
            parts = {name: self._staged(getattr(tensor, name)) for name in names}
            return QuantizedTensor.__tensor_unflatten__(parts, context, tensor.size(), tensor.stride())
        size = tensor.numel() * tensor.element_size()
        # a tensor made from an address shares no version counter, so autograd cannot notice that it changes
        raw = torch.frombuffer(self._memory, dtype=torch.uint8, count=size, offset=self._used)
        self._used += (size + 1023) // 1024 * 1024
        staged = raw.view(tensor.dtype).view(tensor.shape)
        with torch.no_grad():
            staged.copy_(tensor)
        return staged
