"""ComfyUI's detection knows SDXL and KOALA by their sizes; this is the smaller one."""

import comfy.supported_models

from .sdxl_geometry import GEOMETRIES

TINY = GEOMETRIES["tiny"]


class SmallSDXL(comfy.supported_models.SDXL):
    unet_config = {
        **comfy.supported_models.SDXL.unet_config,
        "model_channels": TINY.channels[0],
        "transformer_depth": TINY.layout["transformer_depth"],
        "context_dim": TINY.text_width,
        "adm_in_channels": TINY.added_width,
    }
