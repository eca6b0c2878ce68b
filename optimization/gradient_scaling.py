"""A stage that computes in float16 sees its gradient at a size that float16 can hold.

The gradient of a score is 1e-4 to 1e-7 in each number of a latent. float16 loses digits below 6e-5 and everything
below 6e-8, so the direction would be wrong without an error. Loss scaling (Micikevicius et al., "Mixed Precision
Training", arXiv 1710.03740, section 3.2), but chosen anew at every stage and for every sample: there is no factor to
tune, and powers of two change no bit in float32 and bfloat16.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# 2**100 and its inverse are ordinary float32 numbers.
LARGEST_EXPONENT = 100


def with_scaled_gradient(stage: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """``stage``, (B, ...) -> (B, ...), whose backward pass runs on gradients of size 1.

    On entering the backward pass each sample's gradient is multiplied by the power of two that brings its largest
    number into [0.5, 1), on leaving it is divided by the same. Samples must not depend on one another. Values are
    those of ``stage``, and so are gradients up to rounding; zero, infinite and NaN stay what they are.
    """

    def scaled(x: Tensor) -> Tensor:
        if not (torch.is_grad_enabled() and x.requires_grad):
            return stage(x)
        exponents: list[Tensor] = []
        return _Enlarge.apply(stage(_Reduce.apply(x, exponents)), exponents)

    return scaled


class _Enlarge(torch.autograd.Function):
    @staticmethod
    def forward(ctx, result, exponents):
        ctx.exponents = exponents
        return result.clone()  # not a view, which the caller could not change in place

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        largest = gradient.flatten(1).abs().amax(1)
        exponent = torch.frexp(largest).exponent.clamp(-LARGEST_EXPONENT, LARGEST_EXPONENT)
        ctx.exponents[:] = [exponent]
        return _times_power_of_two(gradient, -exponent), None


class _Reduce(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, exponents):
        ctx.exponents = exponents
        return x.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        (exponent,) = ctx.exponents
        return _times_power_of_two(gradient, exponent), None


def _times_power_of_two(gradient: Tensor, exponent: Tensor) -> Tensor:
    """gradient: (B, ...). exponent: (B,) int32. Exact: ``ldexp`` goes through pow, which a GPU may round."""
    factor = ((exponent + 127) << 23).view(torch.float32).to(gradient.device)
    return (gradient * factor.view(-1, *[1] * (gradient.dim() - 1))).to(gradient.dtype)
