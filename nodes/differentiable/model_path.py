"""What may lie between the model's loader and the Noise Optimizer that an ascent cannot go through."""

import comfy.ldm.modules.attention
import comfy.samplers

from .attention import with_differentiable_attention
from .model_presets import preset_for

# Kernels of --use-sage-attention, --use-flash-attention and the like, by the name of ComfyUI's function.
ATTENTION_WITHOUT_BACKWARD = ("attention_sage", "attention3_sage", "attention_flash", "attention_comfy_kitchen_int8")
# In transformer_options: ComfyUI's own caches, and that of TeaCache; of others what their names say.
CACHES = {
    "easycache": "EasyCache or LazyCache",
    "qwen_image21_cache": "Qwen Image 2.1 Cache",
    "rel_l1_thresh": "TeaCache",
}


def check_model_path(guider: comfy.samplers.CFGGuider, needs_gradient: bool) -> None:
    """Raise ValueError for a model whose pictures or gradients would be wrong without an error."""
    model = guider.model_patcher
    cache = _cache(guider.model_options.get("transformer_options", {}))
    if cache:
        raise ValueError(
            f"{cache} is in the model's path: it would answer for one noise with what it remembers of another. Take it "
            "out of the path to the Noise Optimizer."
        )
    if not needs_gradient:
        return
    if model.get_additional_models_with_key("multigpu"):
        raise ValueError(
            "The model is split over several GPUs (MultiGPU CFG Split), which computes without gradients: take that "
            "node out of the path to the Noise Optimizer."
        )
    _check_attention(guider)


def _cache(transformer_options: dict) -> str:
    """What the user calls a cache of earlier evaluations, or an empty string."""
    for key, value in transformer_options.items():
        off = isinstance(value, dict) and value.get("device") == "off"  # as Qwen Image 2.1 Cache can be set
        if isinstance(key, str) and not off and (key in CACHES or key.lower().endswith("cache")):
            return CACHES.get(key, f"A cache ({key})")
    return ""


def _check_attention(guider: comfy.samplers.CFGGuider) -> None:
    model = guider.model_patcher
    with_differentiable_attention(guider.model_options, model)
    if preset_for(model).known:  # the models of the table let themselves be given another attention; others may not
        return
    chosen = getattr(comfy.ldm.modules.attention.optimized_attention, "__name__", "")
    if chosen in ATTENTION_WITHOUT_BACKWARD:
        raise ValueError(
            f"{preset_for(model).name} is not in the table of known models, and ComfyUI runs with {chosen}, which "
            "has no backward pass: start ComfyUI without --use-sage-attention, --use-flash-attention or the like."
        )
    for part in model.model.diffusion_model.modules():
        chosen = getattr(getattr(part, "function", None), "__name__", "")
        if type(part).__name__ == "ComfyAttention" and chosen in ATTENTION_WITHOUT_BACKWARD:
            raise ValueError(
                f"{preset_for(model).name} is not in the table of known models, and its checkpoint asks for {chosen}, "
                "which has no backward pass: load the same model in a file that does not, or let an Optimization "
                "Method search without gradients (best of seeds, local search)."
            )
