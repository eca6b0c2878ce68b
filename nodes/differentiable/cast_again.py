"""Weights that ComfyUI casts for one layer are cast again in the backward pass, never kept until then.

A weight in another dtype, quantized, offloaded, patched on the fly or streamed (dynamic VRAM) is cast when its layer
runs. Autograd would keep that copy, so the whole model reappears in 16 bit; and where the copy lies in a buffer that
the next layer fills (asynchronous offloading, dynamic VRAM), the backward pass would read another layer's weight: a
wrong gradient without an error. Here such a layer keeps at most its input, and casts once more when its gradient is
due.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

import comfy.ops
import comfy_aimdo.model_vbar
import torch
from comfy.quant_ops import QuantizedTensor
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ...differentiation import recompute, replaced

CONVOLUTION_GRADIENTS = {
    nn.Conv1d: torch.nn.grad.conv1d_input,
    nn.Conv2d: torch.nn.grad.conv2d_input,
    nn.Conv3d: torch.nn.grad.conv3d_input,
}
CASTING_PART = "forward_comfy_cast_weights"


@contextmanager
def cast_again(*models: nn.Module) -> Iterator[None]:
    """While open, layers of the models whose weights are cast when they run keep no cast copy for the backward pass.

    Weights are expected to be frozen. Whether a layer casts is seen at each call, so weights may be moved meanwhile.
    Instances get another `forward`, or the part of it that casts, and have their own back afterwards. Works with
    blocks that are kept and with blocks that are recomputed.
    """
    layers = dict.fromkeys(part for model in models for part in model.modules() if hasattr(part, "comfy_cast_weights"))
    with ExitStack() as stack:
        stack.enter_context(replaced(comfy.ops, "cast_bias_weight", _cast_that_lasts))
        stack.enter_context(_nothing_cast_ahead())
        for layer in layers:
            name, differentiable = _replacement(layer)
            stack.enter_context(replaced(layer, name, _where_cast(layer, differentiable)))
        yield


def is_cast(layer: nn.Module, x: Tensor) -> bool:
    """Whether `layer` computes on `x` with other memory than that of its parameters."""
    if hasattr(layer, "_v"):  # its weights live in dynamic VRAM
        return True
    if getattr(layer, "weight_function", ()) or getattr(layer, "bias_function", ()):
        return True
    return any(
        type(parameter) is not nn.Parameter or parameter.dtype != x.dtype or parameter.device != x.device
        for parameter in layer._parameters.values()
        if parameter is not None
    )


def _replacement(layer: nn.Module) -> tuple[str, Callable]:
    """The method of `layer` that casts, and what makes a differentiable one of it."""
    ours = [getattr(getattr(type(layer), name, None), "__module__", "") for name in ("forward", CASTING_PART)]
    if ours != ["comfy.ops", "comfy.ops"]:  # another pack's layer, such as one that reads GGUF
        return "forward", _recomputed
    if hasattr(layer, "_full_precision_mm"):  # may quantize its input, which happens in forward
        return "forward", _recomputed if "forward" in layer.__dict__ else _linear
    # forward comes here whenever it casts, also when somebody put another forward around it
    if isinstance(layer, nn.Linear):
        return CASTING_PART, _linear
    if isinstance(layer, tuple(CONVOLUTION_GRADIENTS)) and _plain_padding(layer):
        return CASTING_PART, _convolution
    return CASTING_PART, _recomputed


def _plain_padding(layer: nn.Module) -> bool:
    return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)


def _linear(layer: nn.Module, stock: Callable) -> Callable:
    return lambda x: _LinearInput.apply(x, layer, stock)


def _convolution(layer: nn.Module, stock: Callable) -> Callable:
    recomputed = _recomputed(layer, stock)

    def convolution(x: Tensor, *args, **kwargs) -> Tensor:
        if args or kwargs:  # padding of its own
            return recomputed(x, *args, **kwargs)
        return _ConvolutionInput.apply(x, layer, stock)

    return convolution


def _recomputed(layer: nn.Module, stock: Callable) -> Callable:
    def run(*args, **kwargs):
        result = stock(*args, **kwargs)
        return result if torch.is_grad_enabled() else _no_view(result)

    return recompute(run, changes_inputs=False)


class _LinearInput(torch.autograd.Function):
    """The stock layer, and the gradient of its input by the same weight at full precision; nothing is saved."""

    @staticmethod
    def forward(ctx, x, layer, stock):
        ctx.layer = layer
        return _no_view(stock(x.detach()))

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        layer = ctx.layer
        with _cast_weight(layer, gradient) as weight:
            found = torch.matmul(gradient, weight)
        smoothing = getattr(layer, "pre_quant_scale", None)  # of the input, in some quantized files
        return found if smoothing is None else found * smoothing.to(found), None, None


class _ConvolutionInput(torch.autograd.Function):
    """The stock layer, and the gradient of its input by the same weight; nothing is saved."""

    @staticmethod
    def forward(ctx, x, layer, stock):
        ctx.layer = layer
        ctx.shape = x.shape
        return _no_view(stock(x.detach()))

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        layer = ctx.layer
        input_gradient = next(f for kind, f in CONVOLUTION_GRADIENTS.items() if isinstance(layer, kind))
        with _cast_weight(layer, gradient) as weight:
            found = input_gradient(
                ctx.shape, weight, gradient, layer.stride, layer.padding, layer.dilation, layer.groups
            )
        return found, None, None


def _no_view(result: Tensor) -> Tensor:
    """The same memory as no view of anything: what a Function returns may then be changed in place, as blocks do."""
    return result.new_empty(0).set_(result) if result._is_view() else result


@contextmanager
def _cast_weight(layer: nn.Module, like: Tensor) -> Iterator[Tensor]:
    """The weight as the layer's forward casts it, in dtype and on the device of `like`; valid inside only."""
    quantized = isinstance(layer.weight, QuantizedTensor)
    weight, bias, handle = comfy.ops.cast_bias_weight(
        layer,
        dtype=like.dtype,
        device=like.device,
        bias_dtype=like.dtype,
        offloadable=True,
        compute_dtype=like.dtype,
        want_requant=quantized,
    )
    try:
        yield weight.dequantize().to(like.dtype) if isinstance(weight, QuantizedTensor) else weight
    finally:
        comfy.ops.uncast_bias_weight(layer, weight, bias, handle)


def _where_cast(layer: nn.Module, differentiable: Callable) -> Callable[[Callable], Callable]:
    """What makes of a method one that is differentiable where the layer casts, and the stock one elsewhere."""

    def replacement(stock: Callable) -> Callable:
        with_gradient = differentiable(layer, stock)

        def forward(*args, **kwargs):
            wanted = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor) and value.requires_grad]
            if not (wanted and torch.is_grad_enabled() and is_cast(layer, wanted[0])):
                return stock(*args, **kwargs)
            return with_gradient(*args, **kwargs)

        return forward

    return replacement


def _cast_that_lasts(stock: Callable) -> Callable:
    """`cast_bias_weight` of which autograd may save the result.

    Some models cast a layer's weight themselves, past its forward, and layers that are recomputed run theirs with
    gradients on. What they would get may lie in a buffer that the next cast fills. A cast that runs out of memory
    leaves nothing behind that the next attempt could take for a weight.
    """

    def cast_bias_weight(layer, *args, **kwargs):
        with ExitStack() as unfinished:
            unfinished.callback(_forget_started_cast, layer)
            weight, bias, *handle = stock(layer, *args, **kwargs)
            unfinished.pop_all()
        if torch.is_grad_enabled():
            weight, bias = (
                cast if cast is None or cast is parameter else cast.clone()
                for cast, parameter in ((weight, layer.weight), (bias, layer.bias))
            )
        return (weight, bias, *handle)

    return cast_bias_weight


def _nothing_cast_ahead() -> AbstractContextManager:
    """While open, blocks of models that ComfyUI casts ahead under dynamic VRAM are cast when they run, as others are.

    Newer ComfyUIs also record such blocks as CUDA graphs, which autograd would not see when they are replayed.
    """
    prefetching = sys.modules.get("comfy.model_prefetch")
    if prefetching is None:
        return nullcontext()
    return replaced(prefetching, "make_prefetch_queue", lambda _: lambda *args, **kwargs: None)


def _forget_started_cast(layer: nn.Module) -> None:
    """Let the next cast under dynamic VRAM begin anew: ComfyUI would go on with a half-made weight, without a LoRA."""
    if not hasattr(layer, "_v"):
        return
    for name in ("weight_lowvram_function", "bias_lowvram_function"):
        lora = getattr(layer, name, None)
        if hasattr(lora, "clear_prepared"):  # older ComfyUIs prepare nothing
            lora.clear_prepared()
    layer._v_signature = None
    started = layer.__dict__.pop("_prefetch", None)
    if started is not None and started["signature"] is not None:
        comfy_aimdo.model_vbar.vbar_unpin(layer._v)
