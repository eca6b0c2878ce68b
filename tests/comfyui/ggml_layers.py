"""Layers that keep GGUF's blocks and dequantize when they run, shaped like those of the pack ComfyUI-GGUF.

Like there, the tensor's `shape` is that of the weight and not that of its memory, `clone` and `detach` return the
tensor itself, and the layer casts by a method of its own, past `comfy.ops.cast_bias_weight`. Written for the tests.

Import this module inside tests only: it needs `host`.
"""

import comfy.ops
import torch
from torch import Tensor, nn

BLOCK = 32  # Q8_0: a half-precision scale and 32 signed bytes


class GGMLTensor(Tensor):
    @staticmethod
    def __new__(cls, memory: Tensor, weight_shape: torch.Size):
        return torch.Tensor._make_subclass(cls, memory)

    def __init__(self, memory: Tensor, weight_shape: torch.Size):
        self.weight_shape = weight_shape

    @property
    def shape(self):
        return self.weight_shape if hasattr(self, "weight_shape") else self.size()

    def to(self, *args, **kwargs):
        moved = super().to(*args, **kwargs)
        moved.weight_shape = self.weight_shape
        return moved

    def clone(self, *args, **kwargs):
        return self

    def detach(self):
        return self


def quantize_q8_0(weight: Tensor) -> GGMLTensor:
    blocks = weight.float().reshape(-1, BLOCK)
    scale = (blocks.abs().amax(1, keepdim=True) / 127).half()
    numbers = (blocks / scale.float()).round().clamp(-127, 127).to(torch.int8)
    memory = torch.cat([scale.view(torch.uint8), numbers.view(torch.uint8)], 1)
    return GGMLTensor(memory.reshape(weight.shape[0], -1), weight.shape)


def dequantize(tensor: GGMLTensor, dtype: torch.dtype) -> Tensor:
    memory = tensor.as_subclass(Tensor).reshape(-1, 2 + BLOCK)
    scale = memory[:, :2].contiguous().view(torch.float16).to(dtype)
    return (memory[:, 2:].view(torch.int8).to(dtype) * scale).reshape(tensor.weight_shape)


class GGMLOps(comfy.ops.manual_cast):
    class Linear(comfy.ops.manual_cast.Linear):
        def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
            nn.Module.__init__(self)
            self.in_features, self.out_features = in_features, out_features
            self.weight = self.bias = None

        def _load_from_state_dict(self, state_dict, prefix, metadata, strict, missing, unexpected, errors):
            for name in ("weight", "bias"):
                value = state_dict.get(prefix + name)
                setattr(self, name, None if value is None else nn.Parameter(value, requires_grad=False))

        def forward_comfy_cast_weights(self, input):
            if not isinstance(self.weight, GGMLTensor):
                return super().forward_comfy_cast_weights(input)
            bias = None if self.bias is None else self.bias.to(input)
            return nn.functional.linear(input, dequantize(self.weight, input.dtype), bias)
