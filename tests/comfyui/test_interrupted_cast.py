"""A cast under dynamic VRAM that runs out of memory: the next one begins anew, with the whole weight.

ComfyUI's own code runs here; its graphics card is a device without memory, its driver three functions.
"""

import pytest
import torch


@pytest.fixture
def layer(pack, monkeypatch):
    """A bfloat16 layer in dynamic VRAM that is asked for in float32."""
    import comfy.ops
    import comfy.pinned_memory
    import comfy_aimdo.model_vbar
    import comfy_aimdo.torch

    layer = comfy.ops.manual_cast.Linear(4, 4, dtype=torch.bfloat16).requires_grad_(False)
    layer._v, layer._v_signature = (None, 0, 2048), None
    page = torch.zeros(2048, dtype=torch.uint8, device="meta")

    monkeypatch.setattr(comfy_aimdo.model_vbar, "vbar_fault", lambda allocation: b"the same page as before")
    monkeypatch.setattr(comfy_aimdo.model_vbar, "vbar_unpin", lambda allocation: None)
    monkeypatch.setattr(comfy_aimdo.model_vbar, "vbar_signature_compare", lambda a, b: b is not None and a == b)
    monkeypatch.setattr(comfy_aimdo.torch, "aimdo_to_tensor", lambda allocation, device: page)
    monkeypatch.setattr(comfy.pinned_memory, "pin_memory", lambda *args, **kwargs: None)
    monkeypatch.setattr(comfy.pinned_memory, "get_pin", lambda *args, **kwargs: None)
    return layer


def test_the_next_cast_begins_anew(layer):
    import comfy.model_patcher
    import comfy.ops
    from gper_pack.nodes.differentiable.cast_again import cast_again

    patched = []

    def lora(weight):
        patched.append(weight)
        if len(patched) == 1:
            raise torch.OutOfMemoryError("out of memory")
        return weight

    lora.is_lowvram_patch, lora.memory_required = True, lambda: 0
    if hasattr(comfy.model_patcher.LowVramPatch, "clear_prepared"):
        lora.prepare, lora.clear_prepared = lambda *args, **kwargs: None, lambda: None
    layer.weight_lowvram_function, layer.seed_key = lora, "layer"

    def cast():
        weight, bias, handle = comfy.ops.cast_bias_weight(
            layer, dtype=torch.float32, device=torch.device("meta"), bias_dtype=torch.float32, offloadable=True
        )
        comfy.ops.uncast_bias_weight(layer, weight, bias, handle)

    with cast_again(layer), torch.no_grad():
        with pytest.raises(torch.OutOfMemoryError):
            cast()
        cast()
        assert len(patched) == 2  # the weight is resident without its LoRA otherwise
        cast()
        assert len(patched) == 2
    assert "_prefetch" not in layer.__dict__
