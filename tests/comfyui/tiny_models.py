"""Small random models, saved by diffusers and loaded by ComfyUI's stock loaders; diffusers is the reference.

Import this module inside tests only: it needs `host`.
"""

from dataclasses import dataclass
from pathlib import Path

import comfy.samplers
import comfy.sd
import comfy.utils
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, FluxTransformer2DModel
from safetensors.torch import save_file
from torch import Tensor

from tools import random_models

LATENT = (16, 8, 8)


@dataclass
class Pair:
    """The same weights twice: `stock` as ComfyUI loads them, `reference` in diffusers, frozen."""

    stock: object
    reference: torch.nn.Module


def flux(folder: Path, dtype: torch.dtype = torch.float32) -> Pair:
    torch.manual_seed(0)
    reference = FluxTransformer2DModel(
        patch_size=1,
        in_channels=64,
        num_layers=2,
        num_single_layers=3,
        attention_head_dim=128,
        num_attention_heads=1,
        joint_attention_dim=64,
        pooled_projection_dim=32,
        guidance_embeds=False,
        axes_dims_rope=(16, 56, 56),
    ).requires_grad_(False)
    for parameter in reference.parameters():
        parameter += 0.05 * torch.randn_like(parameter)
    path = folder / "flux.safetensors"
    save_file({key: value.to(dtype).contiguous() for key, value in reference.state_dict().items()}, path)
    with torch.inference_mode():  # as a loader node does
        return Pair(comfy.sd.load_diffusion_model(str(path)), reference)


def taesd(folder: Path, channels: int = 16, scale: float = 0.3611, shift: float = 0.1159, smooth: bool = False) -> Pair:
    """scale, shift: of the model's latents, FLUX.1's unless told. smooth: SiLU in place of its ReLUs.

    With ReLUs the gradient is no continuous function of the latent: two latents 1e-7 apart, as far as two float32
    computations of one latent are, have gradients up to 3e-4 apart. Compare gradients of whole rollouts with `smooth`.
    """
    torch.manual_seed(1)
    reference = AutoencoderTiny(latent_channels=channels).requires_grad_(False)
    reference.decoder.layers[-1].bias += 0.5  # mid-grey: inside the range that is not clipped
    pair = _vae(random_models.taesd_weights(reference, scale, shift), reference, folder / "taesd.safetensors")
    if smooth:
        for module in (pair.stock.first_stage_model, reference):
            _replace_relus(module)
    return pair


def _replace_relus(module: torch.nn.Module) -> None:
    for parent in [*module.modules()]:
        for name, child in [*parent._modules.items()]:  # named_children passes over what stands there twice
            if isinstance(child, torch.nn.ReLU):
                setattr(parent, name, torch.nn.SiLU())


def kl(folder: Path) -> Pair:
    """At a quarter of the published width, which takes a config; see `published_kl` for a file that needs none."""
    ddconfig = {
        "double_z": True,
        "z_channels": 16,
        "resolution": 256,
        "in_channels": 3,
        "out_ch": 3,
        "ch": 32,
        "ch_mult": [1, 2, 4, 4],
        "num_res_blocks": 2,
        "attn_resolutions": [],
        "dropout": 0.0,
    }
    reference = random_models.autoencoder(quant_conv=True, widths=(32, 64, 128, 128), seed=2)
    config = {"params": {"ddconfig": ddconfig, "embed_dim": 16}}
    pair = _vae(dict(reference.state_dict()), reference, folder / "kl.safetensors", config)
    pair.stock.latent_channels = 16  # a config is taken for that of 4 channels
    return pair


def published_kl(folder: Path) -> Pair:
    """84 million parameters, as a stock loader node takes them from a file."""
    reference = random_models.autoencoder(seed=2)
    return _vae(dict(reference.state_dict()), reference, folder / "kl.safetensors")


def _vae(weights: dict[str, Tensor], reference: torch.nn.Module, path: Path, config: dict | None = None) -> Pair:
    save_file(weights, path)
    with torch.inference_mode():
        return Pair(comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(path)), config=config), reference)


def conditioning(seed: int) -> list:
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        context = torch.randn(1, 4, 64, generator=generator)
        return [[context, {"pooled_output": torch.randn(1, 32, generator=generator)}]]


def guider(model, cfg: float = 1.0) -> comfy.samplers.CFGGuider:
    result = comfy.samplers.CFGGuider(model)
    result.set_conds(conditioning(3), conditioning(4))
    result.set_cfg(cfg)
    return result


def reference_velocity(transformer: FluxTransformer2DModel, x: Tensor, sigma: float, condition: list) -> Tensor:
    """(B, 16, 8, 8) -> velocity of that shape, by diffusers."""
    batch = x.shape[0]
    tokens = x.reshape(batch, 16, 4, 2, 4, 2).permute(0, 2, 4, 1, 3, 5).reshape(batch, 16, 64)
    rows, columns = torch.meshgrid(torch.arange(4.0), torch.arange(4.0), indexing="ij")
    context, pooled = condition[0][0].clone(), condition[0][1]["pooled_output"].clone()
    out = transformer(
        hidden_states=tokens,
        encoder_hidden_states=context.repeat(batch, 1, 1),
        pooled_projections=pooled.repeat(batch, 1),
        timestep=torch.full((batch,), sigma),
        img_ids=torch.stack([torch.zeros(4, 4), rows, columns], -1).reshape(16, 3),
        txt_ids=torch.zeros(context.shape[1], 3),
    ).sample
    return out.reshape(batch, 4, 4, 16, 2, 2).permute(0, 3, 1, 4, 2, 5).reshape(batch, *LATENT)


def reference_latent(transformer, noise: Tensor, sigmas: Tensor, cfg: float = 1.0) -> Tensor:
    """Noise -> denoised latent in the model's space by Euler's method, in diffusers."""
    x = noise
    for sigma, next_sigma in zip(sigmas[:-1].tolist(), sigmas[1:].tolist(), strict=True):
        velocity = reference_velocity(transformer, x, sigma, conditioning(3))
        if cfg != 1.0:
            negative = reference_velocity(transformer, x, sigma, conditioning(4))
            velocity = negative + cfg * (velocity - negative)
        x = x + velocity * (next_sigma - sigma)
    return x


def reference_picture(autoencoder, latent: Tensor) -> Tensor:
    """Latent in the model's space -> picture (B, 3, 64, 64) in [0, 1], by diffusers."""
    if isinstance(autoencoder, AutoencoderKL):
        latent = latent / 0.3611 + 0.1159
    raw = autoencoder.decode(latent).sample
    return ((raw + 1) / 2).clamp(0, 1)
