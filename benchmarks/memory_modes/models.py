"""The models under measurement: random weights in bfloat16, in files that ComfyUI's stock loaders read."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from tools.random_models import autoencoder, checkpoint_weights, flux_transformer, save, sdxl_unet

from ..flux_scale.geometry import GEOMETRIES
from .gradient_node.sdxl_geometry import GEOMETRIES as UNETS

CPU = torch.device("cpu")
SIZES = tuple(GEOMETRIES)


@dataclass(frozen=True)
class Subject:
    """A model and its VAE, by their names in the models folder, and the sizes of its conditioning."""

    layout: str
    model: str
    vae: str
    text_tokens: int
    text_width: int
    pooled_width: int


def with_unit_gain(model: nn.Module) -> nn.Module:
    """PyTorch's initial matrices shrink what they get by sqrt(3): a wrong layer would hardly show in the gradient."""
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.mul_(3**0.5)
    return model


def write_flux(size: str, folder: Path) -> Subject:
    geometry = GEOMETRIES[size]
    model = with_unit_gain(flux_transformer(geometry, CPU, torch.bfloat16))
    save(model, folder / "diffusion_models" / "flux.safetensors")
    save(autoencoder(CPU, torch.bfloat16), folder / "vae" / "flux_vae.safetensors")
    return Subject("flux", "flux.safetensors", "flux_vae.safetensors", geometry.text_tokens, geometry.text_width,
                   geometry.pooled_width)


def write_sdxl(size: str, folder: Path) -> Subject:
    geometry = UNETS[size]
    weights = checkpoint_weights(with_unit_gain(sdxl_unet(geometry, torch.bfloat16)), geometry.layout)
    save_file(weights, folder / "diffusion_models" / "sdxl.safetensors")
    vae = autoencoder(CPU, torch.bfloat16, latent_channels=4, quant_conv=True)
    save(vae, folder / "vae" / "sdxl_vae.safetensors")
    return Subject("sdxl", "sdxl.safetensors", "sdxl_vae.safetensors", 77, geometry.text_width, geometry.pooled_width)


LAYOUTS: dict[str, Callable[[str, Path], Subject]] = {"flux": write_flux, "sdxl": write_sdxl}


def write_models(layouts: list[str], size: str, folder: Path, comfyui: Path) -> list[Subject]:
    """Write what the servers load into `folder`, a models folder."""
    sys.path.insert(0, str(comfyui))  # for the names of weights that it knows
    from comfy.cli_args import args

    args.cpu = True  # the card belongs to the servers
    for name in ("diffusion_models", "vae"):
        (folder / name).mkdir()
    return [LAYOUTS[layout](size, folder) for layout in layouts]
