"""A small VAE of Wan 2.1, which Qwen-Image and Krea 2 share: it decodes one frame as it decodes a video."""

from collections.abc import Callable
from pathlib import Path

import comfy.ldm.wan.vae
import comfy.sd
import comfy.utils
import torch
from diffusers import AutoencoderKLWan
from diffusers.loaders.single_file_utils import convert_wan_vae_to_diffusers
from safetensors.torch import save_file
from torch import Tensor

from .tiny_family import random_weights

WIDTH = 16


def wan_vae(folder: Path) -> tuple[comfy.sd.VAE, Callable[[Tensor], Tensor]]:
    """As the stock loader returns it; and model latent (B, 16, 1, h, w) -> picture in [0, 1], by diffusers."""
    published = comfy.ldm.wan.vae.WanVAE(dim=WIDTH, z_dim=16, temperal_downsample=[False, True, True])
    weights = random_weights({name: tuple(value.shape) for name, value in published.state_dict().items()}, seed=1)
    weights["decoder.head.2.weight"] *= 0.2  # inside the range that is not clipped
    path = folder / "wan_vae.safetensors"
    save_file(weights, path)
    with torch.inference_mode():
        vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(path)))
    reference = AutoencoderKLWan(base_dim=WIDTH).requires_grad_(False)
    reference.load_state_dict(convert_wan_vae_to_diffusers(dict(weights)))
    mean, std = (torch.tensor(reference.config[name])[:, None, None, None] for name in ("latents_mean", "latents_std"))

    def picture(latent: Tensor) -> Tensor:
        return ((reference.decode(latent * std + mean).sample.squeeze(2) + 1) / 2).clamp(0, 1)

    return vae, picture
