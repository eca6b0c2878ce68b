"""Small UNets in the layout of Stable Diffusion's checkpoints: SDXL-Turbo and SD-Turbo, which predict the noise."""

from pathlib import Path

import comfy.sd
import comfy.supported_models
import comfy.utils
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor

from . import tiny_models
from .tiny_family import Family, random_tensor, recognised

TEXT, POOLED, SIDE = 48, 32, 8
SIZE_EMBEDDINGS = 6 * 256


class SmallSDXL(comfy.supported_models.SDXL):
    """Detection knows SDXL by its sizes, 2.6 billion parameters; these are smaller."""

    unet_config = {
        **comfy.supported_models.SDXL.unet_config,
        "model_channels": 32,
        "transformer_depth": [0, 2],
        "context_dim": TEXT,
        "adm_in_channels": POOLED + SIZE_EMBEDDINGS,
    }


class SmallSD20(comfy.supported_models.SD20):
    """Likewise for Stable Diffusion 2, from 870 million parameters."""

    unet_config = {**comfy.supported_models.SD20.unet_config, "model_channels": 64, "context_dim": TEXT}


def sdxl_turbo(folder: Path) -> Family:
    torch.manual_seed(0)
    reference = UNet2DConditionModel(
        sample_size=SIDE,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(32, 64),
        layers_per_block=1,
        transformer_layers_per_block=(1, 2),
        attention_head_dim=(1, 1),
        cross_attention_dim=TEXT,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=POOLED + SIZE_EMBEDDINGS,
    )
    depth = {"transformer_depth": [0, 2], "transformer_depth_output": [0, 0, 2, 2], "transformer_depth_middle": 2}
    pooled = random_tensor(1, POOLED, seed=4)
    size = torch.tensor([[8.0 * SIDE, 8.0 * SIDE, 0, 0, 8.0 * SIDE, 8.0 * SIDE]])

    def added(batch):
        return {"text_embeds": pooled.clone().repeat(batch, 1), "time_ids": size.repeat(batch, 1)}

    return _unet(folder, reference, depth, SmallSDXL, {"pooled_output": pooled}, added, scale=0.13025)


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
    depth = {"transformer_depth": [1, 0], "transformer_depth_output": [1, 1, 0, 0], "transformer_depth_middle": 1}
    return _unet(folder, reference, depth, SmallSD20, {}, lambda batch: None, scale=0.18215)


def _unet(folder, reference, depth, small, condition, added, scale) -> Family:
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

    vae = tiny_models.taesd(folder, channels=4, scale=scale, shift=0.0)
    layout = {"num_res_blocks": [1, 1], "channel_mult": [1, 2], **depth}
    names = comfy.utils.unet_to_diffusers(layout)
    weights = {"model.diffusion_model." + names[key]: value for key, value in reference.state_dict().items()}
    path = folder / "checkpoint.safetensors"
    save_file({name: value.contiguous() for name, value in weights.items()}, path)
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
