"""Models whose kernels have no backward pass, recognised before the run by what they look like."""

from collections.abc import Iterator

import comfy.model_patcher
from torch import nn

from ..differentiable.remedies import WITHOUT_MODEL_GRADIENT

# Of the comfy_quant formats, those whose gradient is that of the dequantized weights: each is tested but float8_e5m2,
# which is float8_e4m3fn with other bits. Not among them, read in ComfyUI's comfy/quant_ops.py: convrot_w4a4 and
# asym_w4a8_int8 (0.33.0), awq_w4a16 (between 0.34 and 0.38); w6a8 has been announced. Any other is new here.
DIFFERENTIABLE = ("float8_e4m3fn", "float8_e5m2", "mxfp8", "nvfp4", "int8_tensorwise")
# In the names of formats of other packs' layers whose integer kernels work on 4 bit.
FOUR_BIT_INTEGERS = ("w4a", "int4", "svdq")
SIXTEEN_OR_EIGHT_BIT = "the same model in 16 bit, fp8 or as GGUF"


def check_weight_format(*patchers: comfy.model_patcher.ModelPatcher) -> None:
    """Raise ValueError for a model that the reward's gradient cannot pass: what it is, and what to load instead."""
    for patcher in patchers:
        for found, remedy in _obstacles(patcher):
            raise ValueError(
                f"The model is {found}, which computes pictures but no gradients: {remedy}. {WITHOUT_MODEL_GRADIENT}"
            )


def _obstacles(patcher: comfy.model_patcher.ModelPatcher) -> Iterator[tuple[str, str]]:
    if _has_compile_wrapper(patcher) or any(_is_compiled(patch) for patch in patcher.object_patches.values()):
        yield _COMPILED
    model = patcher.model
    diffusion_model = getattr(model, "diffusion_model", None)
    if diffusion_model is not None and (not isinstance(diffusion_model, nn.Module) or _is_tensorrt(diffusion_model)):
        yield f"a TensorRT engine ({type(diffusion_model).__name__})", f"load {SIXTEEN_OR_EIGHT_BIT}"
    for part in model.modules():
        kind = type(part)
        if _is_compiled(part):
            yield _COMPILED
        elif kind.__module__.partition(".")[0] == "nunchaku" or kind.__name__.startswith(("Nunchaku", "SVDQ")):
            yield f"a 4-bit model for Nunchaku ({kind.__name__})", f"load {SIXTEEN_OR_EIGHT_BIT}"
        elif _has_no_gradient(part):
            found = f"quantized in a format that has no backward pass here ({part.quant_format})"
            yield found, f"load {SIXTEEN_OR_EIGHT_BIT}"
        elif "cublas_ops" in kind.__qualname__:
            yield "run by cublas_ops", "start ComfyUI without --fast cublas_ops"


_COMPILED = "compiled (torch.compile)", "take the compile node out of the model's path"


def _has_no_gradient(layer: nn.Module) -> bool:
    name = getattr(layer, "quant_format", None)
    if not isinstance(name, str):
        return False
    if type(layer).__module__ == "comfy.ops":
        return name not in DIFFERENTIABLE
    return any(sign in name for sign in FOUR_BIT_INTEGERS)


def _is_compiled(value: object) -> bool:
    # torch.compile returns a module around the original, or a function that knows it; Module.compile leaves a note
    if type(value).__name__ == "OptimizedModule" or getattr(value, "_compiled_call_impl", None) is not None:
        return True
    return hasattr(value, "_torchdynamo_orig_callable") and not getattr(value, "_torchdynamo_disable", False)


def _has_compile_wrapper(patcher: comfy.model_patcher.ModelPatcher) -> bool:
    wrappers = [patcher.wrappers, patcher.model_options.get("transformer_options", {}).get("wrappers", {})]
    return any("torch.compile" in by_key and by_key["torch.compile"] for kinds in wrappers for by_key in kinds.values())


def _is_tensorrt(model: nn.Module) -> bool:
    name = type(model).__name__.lower()
    return name.startswith("trt") or "tensorrt" in name
