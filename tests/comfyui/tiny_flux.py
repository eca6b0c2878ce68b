"""A small FLUX.1 of either layout: schnell, and dev with its distilled guidance."""

from pathlib import Path

import torch
from diffusers import FluxTransformer2DModel

from . import tiny_models
from .tiny_family import Family, flow_rollout, image_ids, load_diffusion_model, patches, random_tensor, unpatched

GUIDANCE = 2.5


def schnell(folder: Path) -> Family:
    return _flux(folder, guidance=None)


def dev(folder: Path) -> Family:
    return _flux(folder, guidance=GUIDANCE)


def _flux(folder: Path, guidance: float | None) -> Family:
    """The file has diffusers' keys, which the stock loader converts."""
    torch.manual_seed(0)
    reference = FluxTransformer2DModel(
        patch_size=1,
        in_channels=64,
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=128,
        num_attention_heads=1,
        joint_attention_dim=64,
        pooled_projection_dim=32,
        guidance_embeds=guidance is not None,
        axes_dims_rope=(16, 56, 56),
    ).requires_grad_(False)
    for parameter in reference.parameters():
        parameter += 0.05 * torch.randn_like(parameter)
    context, pooled = random_tensor(1, 4, 64, seed=3), random_tensor(1, 32, seed=4)

    def velocity(x, sigma):
        batch = x.shape[0]
        tokens = reference(
            hidden_states=patches(x),
            encoder_hidden_states=context.clone().repeat(batch, 1, 1),
            pooled_projections=pooled.clone().repeat(batch, 1),
            timestep=torch.full((batch,), sigma),
            guidance=None if guidance is None else torch.full((batch,), guidance),
            img_ids=image_ids(4, 4),
            txt_ids=torch.zeros(4, 3),
        ).sample
        return unpatched(tokens, 16, 8, 8)

    extra = {} if guidance is None else {"guidance": guidance}
    vae = tiny_models.taesd(folder, smooth=True)
    return Family(
        stock=load_diffusion_model(reference.state_dict(), folder / "flux.safetensors"),
        vae=vae.stock,
        noise=random_tensor(2, 16, 8, 8, seed=5),
        condition=[[context, {"pooled_output": pooled, **extra}]],
        sigmas=[1.0, 0.0],
        reference_rollout=flow_rollout(velocity),
        reference_picture=lambda latent: tiny_models.reference_picture(vae.reference, latent),
    )
