"""A stage that computes in float16 sees its gradient at a size that float16 can hold.

The gradient of a score is 1e-4 to 1e-7 in each number of a latent. float16 loses digits below 6e-5 and everything
below 6e-8, so the direction would be wrong without an error. Loss scaling (Micikevicius et al., "Mixed Precision
Training", arXiv 1710.03740, section 3.2), but chosen anew at every stage: there is no factor to tune, and powers of two
change no bit in float32 and bfloat16, beyond numbers too small for them.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# 2**100 and its inverse are ordinary float32 numbers.
MAX_EXPONENT = 100


def with_scaled_gradient(stage: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`stage`, tensors (B, ...) -> (B, ...), whose backward pass runs on gradients of size 1.

    Every tensor that needs a gradient must be an argument: one that the stage reads past them would get its gradient
    at another size. On entering the backward pass the gradient is multiplied by the power of two that brings its
    largest finite number into [0.5, 1), on leaving it is divided by the same: one factor for the whole batch, whose
    samples may depend on one another. Values are those of `stage`, and so are gradients up to rounding; zero,
    infinite and NaN stay what they are.
    """

    def scaled(*inputs: Tensor) -> Tensor:
        if not (torch.is_grad_enabled() and any(x.requires_grad for x in inputs)):
            return stage(*inputs)
        exponents: list[Tensor] = []
        return _Enlarge.apply(stage(*(_Reduce.apply(x, exponents) for x in inputs)), exponents)

    return scaled


class _Enlarge(torch.autograd.Function):
    @staticmethod
    def forward(ctx, result, exponents):
        ctx.exponents = exponents
        return result.clone()  # not a view, which the caller could not change in place

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        largest = torch.where(torch.isfinite(gradient), gradient, 0).abs().amax().float()
        # From the bits: not every device has frexp.
        exponent = (((largest.view(torch.int32) >> 23) & 255) - 126).clamp(-MAX_EXPONENT, MAX_EXPONENT)
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
    """exponent: int32, a single number. Exact: `ldexp` goes through pow, which a GPU may round."""
    factor = ((exponent + 127) << 23).view(torch.float32).to(gradient.device)
    # A GPU casts a single number to the dtype of what it multiplies, and above 2**15 a factor is infinite in float16.
    wide = gradient.to(torch.promote_types(gradient.dtype, torch.float32))
    return (wide * factor).to(gradient.dtype)
