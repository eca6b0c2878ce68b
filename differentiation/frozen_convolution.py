"""Convolutions with frozen weights that do not keep their input for the backward pass.

The gradient of a convolution's input needs its weight and the input's shape; autograd saves the input all the same,
for a gradient of the weight that nobody asks for. In a picture decoder that is a third of what is kept.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from .replaced import replaced


@contextmanager
def frozen_convolutions(*modules: nn.Module) -> Iterator[None]:
    """While open, no 2-D convolution inside `modules` keeps its input. Values and gradients are the same bits.

    The weights must be frozen: they get no gradient.
    """
    convolutions = [
        part
        for module in modules
        for part in module.modules()
        if isinstance(part, nn.Conv2d) and part.padding_mode == "zeros" and not isinstance(part.padding, str)
    ]
    with ExitStack() as stack:
        for part in convolutions:
            stack.enter_context(replaced(part, "_conv_forward", lambda _, part=part: partial(_convolve, part)))
        yield


def _convolve(layer: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return _FrozenConvolution.apply(x, weight, bias, layer.stride, layer.padding, layer.dilation, layer.groups)


class _FrozenConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, stride, padding, dilation, groups):
        ctx.save_for_backward(weight)
        ctx.shape = x.shape
        ctx.geometry = (stride, padding, dilation, groups)
        return nn.functional.conv2d(x, weight, bias, stride, padding, dilation, groups)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        (weight,) = ctx.saved_tensors
        needed = ctx.needs_input_grad[0]
        found = nn.grad.conv2d_input(ctx.shape, weight, gradient, *ctx.geometry) if needed else None
        return found, None, None, None, None, None, None
