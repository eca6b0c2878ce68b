"""What may lie between the model's loader and the Noise Optimizer that an ascent cannot go through."""

import comfy.samplers

from ..differentiable.host_contract import check_blocks

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
            "out of the model's path."
        )
    if not needs_gradient:
        return
    if model.get_additional_models_with_key("multigpu"):
        raise ValueError(
            "The model is split over several GPUs (MultiGPU CFG Split), which computes without gradients: take that "
            "node out of the model's path."
        )
    check_blocks(model.model.diffusion_model)
    from ..differentiable.attention import (
        check_attention,  # not at the top: searches work on ComfyUIs that lack what it needs
    )

    check_attention(guider.model_options, model)


def _cache(transformer_options: dict) -> str:
    """What the user calls a cache of earlier evaluations, or an empty string."""
    for key, value in transformer_options.items():
        off = isinstance(value, dict) and value.get("device") == "off"  # as Qwen Image 2.1 Cache can be set
        if isinstance(key, str) and not off and (key in CACHES or key.lower().endswith("cache")):
            return CACHES.get(key, f"A cache ({key})")
    return ""
