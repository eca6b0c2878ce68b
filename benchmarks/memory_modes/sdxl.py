"""SDXL's UNet with random weights: made by diffusers, written in Stable Diffusion's own layout."""

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from ..flux_scale.geometry import building
from .gradient_node.sdxl_geometry import UNetGeometry


def unet(geometry: UNetGeometry, dtype: torch.dtype) -> UNet2DConditionModel:
    with building(0, torch.device("cpu"), dtype):
        model = UNet2DConditionModel(
            down_block_types=tuple("CrossAttnDownBlock2D" if n else "DownBlock2D" for n in geometry.transformers),
            up_block_types=tuple("CrossAttnUpBlock2D" if n else "UpBlock2D" for n in geometry.transformers[::-1]),
            block_out_channels=geometry.channels, layers_per_block=geometry.layers, use_linear_projection=True,
            transformer_layers_per_block=tuple(max(1, depth) for depth in geometry.transformers),
            attention_head_dim=tuple(max(1, width // 64) for width in geometry.channels),
            cross_attention_dim=geometry.text_width, addition_embed_type="text_time", addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=geometry.added_width)
    return model.requires_grad_(False).eval()


def checkpoint_weights(model: nn.Module, layout: dict) -> dict[str, Tensor]:
    """The weights of a diffusers UNet under the names of a Stable Diffusion checkpoint. ComfyUI must be importable.

    layout: as in ComfyUI's model configs, such as `UNetGeometry.layout`.
    """
    import comfy.utils

    names = comfy.utils.unet_to_diffusers(layout)
    return {f"model.diffusion_model.{names[key]}": value.contiguous() for key, value in model.state_dict().items()}
