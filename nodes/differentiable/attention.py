"""Attention while gradients are on: PyTorch's, and what another node makes of attention where that has a backward."""

from collections.abc import Callable
from functools import partial

import comfy.ldm.modules.attention
import comfy.model_patcher
import torch
from comfy.ldm.modules.attention import attention_pytorch
from torch import Tensor

from .model_presets import preset_for
from .remedies import WITHOUT_MODEL_GRADIENT

OVERRIDE = "optimized_attention_override"
# Qwen-Image 2.1 remembers keys and values of the prompt from one evaluation to the next, graph and all.
PREFIX_CACHE = "qwen_image21_cache"

# Kernels of --use-sage-attention, --use-flash-attention and the like, by the name of ComfyUI's function.
WITHOUT_BACKWARD = ("attention_sage", "attention3_sage", "attention_flash", "attention_comfy_kitchen_int8")

HEADS, TOKENS, WIDTH = 2, 64, 128
# Relative, between a kernel that rounds to 8 bit and PyTorch's.
ONLY_ANOTHER_KERNEL = 0.05


def check_attention(model_options: dict, model: comfy.model_patcher.ModelPatcher) -> None:
    """Raise ValueError for attention without a backward pass that cannot be replaced for the run."""
    with_differentiable_attention(model_options, model)
    if preset_for(model).known:  # the models of the table let themselves be given another attention; others may not
        return
    name = preset_for(model).name
    chosen = getattr(comfy.ldm.modules.attention.optimized_attention, "__name__", "")
    if chosen in WITHOUT_BACKWARD:
        raise ValueError(
            f"{name} is not in the table of known models, and ComfyUI runs with {chosen}, which has no backward pass: "
            "start ComfyUI without --use-sage-attention, --use-flash-attention or the like."
        )
    for part in model.model.diffusion_model.modules():
        chosen = getattr(getattr(part, "function", None), "__name__", "")
        if type(part).__name__ == "ComfyAttention" and chosen in WITHOUT_BACKWARD:
            raise ValueError(
                f"{name} is not in the table of known models, and its checkpoint asks for {chosen}, which has no "
                f"backward pass: load the same model in a file that does not. {WITHOUT_MODEL_GRADIENT}"
            )


def with_differentiable_attention(model_options: dict, model: comfy.model_patcher.ModelPatcher | None = None) -> dict:
    """Model options whose attention has a backward pass; the given ones are not changed.

    sage, flash and int8 kernels have none, so they give way to PyTorch's. A function that another node put there and
    that changes what attention means stays, on top of PyTorch's attention.

    Args:
        model_options: as in a guider.
        model: on whose device and in whose dtype such a function is tried; without it on the CPU in float32.

    Raises:
        ValueError: such a function has no backward pass; names it.
    """
    options = model_options.get("transformer_options", {})
    changed = {OVERRIDE: _differentiable(options, model), PREFIX_CACHE: {"device": "off"}}
    return {**model_options, "transformer_options": {**options, **changed}}


def pytorch_attention(original, *args, **kwargs):
    """An `optimized_attention_override` that ignores the kernel that ComfyUI chose."""
    return attention_pytorch(*args, **kwargs)


def _differentiable(options: dict, model: comfy.model_patcher.ModelPatcher | None) -> Callable:
    theirs = options.get(OVERRIDE)
    if theirs is None:
        return pytorch_attention
    device, dtype = torch.device("cpu"), torch.float32
    if model is not None:
        device, dtype = model.load_device, model.model.get_dtype_inference()
    with torch.inference_mode(False):
        inputs = [torch.randn(1, TOKENS, WIDTH, generator=_generator(i)).to(device, dtype) for i in range(3)]
        trial = partial(_run, theirs, {**options, OVERRIDE: theirs})
        try:
            with torch.no_grad():
                found, plain = trial(*inputs).float(), _run(pytorch_attention, {}, *inputs).float()
        except Exception:  # it wants something that only the model has: the run will tell
            return partial(_checked, theirs)
        if _has_backward(trial, inputs):
            return partial(_checked, theirs)
    if (found - plain).norm() <= ONLY_ANOTHER_KERNEL * plain.norm():
        return pytorch_attention
    raise ValueError(_in_the_way(theirs))


def _checked(theirs: Callable, original: Callable, *args, **kwargs) -> Tensor:
    result = theirs(attention_pytorch, *args, **kwargs)
    wanted = torch.is_grad_enabled() and any(isinstance(x, Tensor) and x.requires_grad for x in args)
    if wanted and not result.requires_grad:
        raise ValueError(_in_the_way(theirs))
    return result


def _run(override: Callable, options: dict, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """As ComfyUI's attention functions call an override."""
    return override(attention_pytorch, q, k, v, HEADS, transformer_options=dict(options), _inside_attn_wrapper=True)


def _has_backward(attention: Callable[..., Tensor], inputs: list[Tensor]) -> bool:
    """Whether the gradients of queries, keys and values are those that finite differences give."""
    exact = torch.finfo(inputs[0].dtype).bits >= 32
    step, tolerance = (0.02, 0.05) if exact else (0.2, 0.3)
    with torch.enable_grad():
        leaves = [x.clone().requires_grad_(True) for x in inputs]
        try:
            result = attention(*leaves)
            weights = torch.randn(result.shape, generator=_generator(3)).to(result)
            gradients = torch.autograd.grad((result * weights).sum(), leaves, allow_unused=True)
        except (RuntimeError, NotImplementedError):
            return False
    for i, gradient in enumerate(gradients):
        direction = torch.randn(inputs[i].shape, generator=_generator(4 + i)).to(inputs[i])
        with torch.no_grad():
            ahead, behind = (
                attention(*inputs[:i], inputs[i] + sign * step * direction, *inputs[i + 1 :]) for sign in (1, -1)
            )
        measured = ((ahead - behind).double() * weights).sum() / (2 * step)
        claimed = torch.zeros_like(measured) if gradient is None else (gradient.double() * direction).sum()
        length = 0.0 if gradient is None else gradient.double().norm()
        if not (measured - claimed).abs() <= tolerance * (length + measured.abs()):
            return False
    return True


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _in_the_way(function: Callable) -> str:
    name = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__name__)}"
    return (
        f"Another node changes the model's attention by a function without a backward pass ({name}): take that node "
        f"out of the model's path. {WITHOUT_MODEL_GRADIENT}"
    )
