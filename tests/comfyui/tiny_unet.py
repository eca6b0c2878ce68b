"""Small UNets in the layout of Stable Diffusion's checkpoints: SDXL-Turbo and SD-Turbo, which predict the noise."""

from pathlib import Path

import comfy.sd
import comfy.supported_models
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor

from benchmarks.memory_modes.gradient_node.sdxl_geometry import GEOMETRIES
from benchmarks.memory_modes.gradient_node.small_sdxl import SmallSDXL
from tools.random_models import checkpoint_weights, sdxl_unet

from . import tiny_models
from .tiny_family import Family, random_tensor, recognised

SDXL, SIDE = GEOMETRIES["tiny"], 8
TEXT = SDXL.text_width


class SmallSD20(comfy.supported_models.SD20):
    """As `SmallSDXL`, for Stable Diffusion 2, from 870 million parameters."""

    unet_config = {**comfy.supported_models.SD20.unet_config, "model_channels": 64, "context_dim": TEXT}


def sdxl_turbo(folder: Path) -> Family:
    pooled = random_tensor(1, SDXL.pooled_width, seed=4)
    size = torch.tensor([[8.0 * SIDE, 8.0 * SIDE, 0, 0, 8.0 * SIDE, 8.0 * SIDE]])

    def added(batch):
        return {"text_embeds": pooled.clone().repeat(batch, 1), "time_ids": size.repeat(batch, 1)}

    reference = sdxl_unet(SDXL, torch.float32)
    return _unet(folder, reference, SDXL.layout, SmallSDXL, {"pooled_output": pooled}, added, scale=0.13025)


def sd_turbo(folder: Path) -> Family:
    torch.manual_seed(0)
    reference = UNet2DConditionModel(
        sample_size=SIDE,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(64, 128),
        layers_per_block=1,
        attention_head_dim=(1, 2),
        cross_attention_dim=TEXT,
        use_linear_projection=True,
    )
    layout = {
        "num_res_blocks": [1, 1],
        "channel_mult": [1, 2],
        "transformer_depth": [1, 0],
        "transformer_depth_output": [1, 1, 0, 0],
        "transformer_depth_middle": 1,
    }
    return _unet(folder, reference, layout, SmallSD20, {}, lambda batch: None, scale=0.18215)


def _unet(folder, reference, layout, small, condition, added, scale) -> Family:
    reference.requires_grad_(False)
    for parameter in reference.parameters():
        parameter += 0.02 * torch.randn_like(parameter)
    context = random_tensor(1, 6, TEXT, seed=3)
    alphas = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2, 0)
    levels = torch.sqrt((1 - alphas) / alphas)

    def predicted_noise(x: Tensor, sigma: float) -> Tensor:
        timestep = (levels.log() - torch.tensor(sigma, dtype=torch.float64).log()).abs().argmin()
        return reference(
            x / (sigma**2 + 1) ** 0.5,
            timestep,
            context.clone().repeat(len(x), 1, 1),
            added_cond_kwargs=added(len(x)),
        ).sample

    def rollout(noise: Tensor, sigmas: list[float]) -> Tensor:
        x = noise * (1 + sigmas[0] ** 2) ** 0.5  # the schedules of the test start at the greatest noise level
        for sigma, next_sigma in zip(sigmas[:-1], sigmas[1:], strict=True):
            x = x + predicted_noise(x, sigma) * (next_sigma - sigma)
        return x

    vae = tiny_models.taesd(folder, channels=4, scale=scale, shift=0.0, smooth=True)
    path = folder / "checkpoint.safetensors"
    save_file(checkpoint_weights(reference, layout), path)
    with recognised(small), torch.inference_mode():
        stock = comfy.sd.load_checkpoint_guess_config(str(path), output_vae=False, output_clip=False)[0]
    return Family(
        stock=stock,
        vae=vae.stock,
        noise=random_tensor(2, 4, SIDE, SIDE, seed=5),
        condition=[[context, condition]],
        sigmas=[levels[-1].item(), 0.0],
        reference_rollout=rollout,
        reference_picture=lambda latent: tiny_models.reference_picture(vae.reference, latent),
    )
