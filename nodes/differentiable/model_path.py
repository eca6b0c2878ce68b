"""What may lie between the model's loader and the Noise Optimizer that an ascent cannot go through."""

import comfy.ldm.modules.attention
import comfy.model_patcher
import comfy.samplers

from .model_presets import preset_for

# Kernels of --use-sage-attention, --use-flash-attention and the like, by the name of ComfyUI's function.
ATTENTION_WITHOUT_BACKWARD = ("attention_sage", "attention_flash", "attention_comfy_kitchen_int8")


def check_model_path(guider: comfy.samplers.CFGGuider, needs_gradient: bool) -> None:
    """Raise ValueError for a model whose pictures or gradients would be wrong without an error."""
    model = guider.model_patcher
    if "easycache" in guider.model_options.get("transformer_options", {}):
        raise ValueError(
            "EasyCache or LazyCache is in the model's path: it would answer for one noise with what it remembers of "
            "another. Take it out of the path to the Noise Optimizer."
        )
    if not needs_gradient:
        return
    if model.get_additional_models_with_key("multigpu"):
        raise ValueError(
            "The model is split over several GPUs (MultiGPU CFG Split), which computes without gradients: take that "
            "node out of the path to the Noise Optimizer."
        )
    attention = getattr(comfy.ldm.modules.attention.optimized_attention, "__name__", "")
    # The models of the table let themselves be given another attention; others may not.
    if attention in ATTENTION_WITHOUT_BACKWARD and not preset_for(model).known:
        raise ValueError(
            f"{preset_for(model).name} is not in the table of known models, and ComfyUI runs with {attention}, which "
            "has no backward pass: start ComfyUI without --use-sage-attention, --use-flash-attention or the like."
        )
