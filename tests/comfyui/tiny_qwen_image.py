"""A small Qwen-Image, whose latents are one frame of a video: (B, 16, 1, h, w)."""

from pathlib import Path

import comfy.supported_models
import torch
from diffusers import QwenImageTransformer2DModel

from .tiny_family import (
    Family,
    flow_rollout,
    load_diffusion_model,
    patches,
    random_tensor,
    recognised,
    unpatched,
)
from .tiny_wan_vae import wan_vae

TEXT, SIDE = 48, 8


class SmallQwenImage(comfy.supported_models.QwenImage):
    """Detection assumes the published width, 20 billion parameters at the published depth."""

    def __init__(self, unet_config):
        super().__init__({**unet_config, "num_attention_heads": 1, "joint_attention_dim": TEXT})


def qwen_image(folder: Path) -> Family:
    torch.manual_seed(0)
    reference = QwenImageTransformer2DModel(
        num_layers=3, num_attention_heads=1, joint_attention_dim=TEXT, out_channels=16
    ).requires_grad_(False)
    for parameter in reference.parameters():
        parameter += 0.05 * torch.randn_like(parameter)
    context = random_tensor(1, 6, TEXT, seed=3)

    def velocity(x, sigma):
        batch = x.shape[0]
        tokens = reference(
            hidden_states=patches(x.squeeze(2)),
            encoder_hidden_states=context.clone().repeat(batch, 1, 1),
            encoder_hidden_states_mask=torch.ones(batch, 6, dtype=torch.bool),
            timestep=torch.full((batch,), sigma),
            img_shapes=[[(1, SIDE // 2, SIDE // 2)]] * batch,
        ).sample
        return unpatched(tokens, 16, SIDE, SIDE).unsqueeze(2)

    vae, picture = wan_vae(folder)
    with recognised(SmallQwenImage):
        stock = load_diffusion_model(reference.state_dict(), folder / "qwen_image.safetensors")
    return Family(
        stock=stock,
        vae=vae,
        noise=random_tensor(2, 16, 1, SIDE, SIDE, seed=5),
        condition=[[context, {"pooled_output": None}]],
        sigmas=[1.0, 0.0],
        reference_rollout=flow_rollout(velocity),
        reference_picture=picture,
    )
