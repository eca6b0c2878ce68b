"""A small Wan 2.1, a model of videos, for one frame: latents (B, 16, 1, h, w)."""

from pathlib import Path

import comfy.ldm.wan.model
import torch
from diffusers import WanTransformer3DModel
from diffusers.loaders.single_file_utils import convert_wan_transformer_to_diffusers

from .tiny_family import Family, flow_rollout, load_diffusion_model, random_tensor, random_weights
from .tiny_wan_vae import wan_vae

WIDTH, HIDDEN, LAYERS, TEXT, SIDE = 128, 192, 2, 4096, 8


def wan(folder: Path) -> Family:
    """The file has the published keys, which diffusers converts."""
    with torch.device("meta"):
        published = comfy.ldm.wan.model.WanModel(
            dim=WIDTH, ffn_dim=HIDDEN, num_heads=1, num_layers=LAYERS, dtype=torch.float32, operations=torch.nn
        )
    weights = random_weights({name: tuple(value.shape) for name, value in published.state_dict().items()}, seed=0)
    reference = WanTransformer3DModel(
        num_attention_heads=1, attention_head_dim=WIDTH, text_dim=TEXT, ffn_dim=HIDDEN, num_layers=LAYERS
    ).requires_grad_(False)
    reference.load_state_dict(convert_wan_transformer_to_diffusers(dict(weights)))
    context = random_tensor(1, 6, TEXT, seed=3)

    def velocity(x, sigma):
        batch = x.shape[0]
        return reference(x, torch.full((batch,), 1000.0 * sigma), context.clone().repeat(batch, 1, 1)).sample

    vae, picture = wan_vae(folder)
    return Family(
        stock=load_diffusion_model(weights, folder / "wan.safetensors"),
        vae=vae,
        noise=random_tensor(2, 16, 1, SIDE, SIDE, seed=5),
        condition=[[context, {"pooled_output": None}]],
        sigmas=[1.0, 0.0],
        reference_rollout=flow_rollout(velocity),
        reference_picture=picture,
    )
