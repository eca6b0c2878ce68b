"""A check, once per run, that streamed weights do not reach the gradient through memory that is used again."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import comfy.ops
import torch
from torch import Tensor, nn

from ...optimization.evaluations import attempt

# Rounding and atomic sums in 16 bit stay well below it, a weight of another layer comes out near 1 or not finite.
MAX_DIFFERENCE = 0.1


def check_streamed_gradient(
    noise: Tensor,
    generate: Callable[[Tensor], Tensor],
    models: list[nn.Module],
    graph_context: Callable[[], AbstractContextManager],
    retry: Callable[[Exception], bool],
) -> None:
    """Refuse a gradient of `generate` that depends on what passes through ComfyUI's buffers meanwhile.

    Under dynamic VRAM a weight is only there while its layer runs. `cast_again` respects that for layers made by
    ComfyUI, and for casts through `comfy.ops`; what another pack does to a model is not known here. So the gradient
    of a random projection of the images is computed twice, the second time after every streamed weight has been
    cast once more between forward and backward pass, the first layers last. Costs as much as two steps without the
    reward; nothing where no weight is streamed.

    Args:
        noise: (B, ...).
        generate: noise -> images.
        models: whose layers are streamed.
        graph_context, retry: as for `ascend`.

    Raises:
        ValueError: it does; says what to do.
    """
    layers = [part for model in models for part in model.modules()]
    streamed = [part for part in layers if hasattr(part, "_v") and getattr(part, "weight", None) is not None]
    if not streamed:
        return
    generator = torch.Generator().manual_seed(0)

    def gradient(disturbed: bool) -> Tensor:
        x = noise.detach().to(torch.float32, copy=True).requires_grad_(True)
        pictures = generate(x)
        weights = torch.randn(pictures.shape, generator=generator.manual_seed(0)).to(pictures)
        if disturbed:
            _cast_all(reversed(streamed), pictures)
        return torch.autograd.grad((pictures * weights).sum(), x)[0]

    plain, disturbed = (attempt(lambda again=again: gradient(again), graph_context, retry) for again in (False, True))
    if not (disturbed - plain).norm() <= MAX_DIFFERENCE * plain.norm():
        raise ValueError(
            "ComfyUI's dynamic VRAM replaces weights before the gradient has used them, in a part of this model that "
            "GPER Noise Optimizer does not know, perhaps one that another custom node has changed. The gradient would "
            "be wrong: start ComfyUI with --disable-dynamic-vram."
        )


@torch.no_grad()
def _cast_all(layers, like: Tensor) -> None:
    for layer in layers:
        weight, bias, handle = comfy.ops.cast_bias_weight(
            layer, dtype=like.dtype, device=like.device, bias_dtype=like.dtype, offloadable=True
        )
        comfy.ops.uncast_bias_weight(layer, weight, bias, handle)
