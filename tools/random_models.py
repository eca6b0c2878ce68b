"""Diffusion models and VAEs with random weights, made by diffusers, in the layouts of published files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, FluxTransformer2DModel, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

if TYPE_CHECKING:
    from benchmarks.flux_scale.geometry import Geometry
    from benchmarks.memory_modes.gradient_node.sdxl_geometry import UNetGeometry

# FLUX.1's latent format: the decoder reads latent / SCALE + SHIFT.
SCALE, SHIFT = 0.3611, 0.1159
PUBLISHED_WIDTHS = (128, 256, 512, 512)


@contextmanager
def building(seed: int, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Iterator[None]:
    """Models made inside have the same random weights each time, and never exist in another dtype."""
    torch.manual_seed(seed)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            yield
    finally:
        torch.set_default_dtype(before)


def flux_transformer(geometry: "Geometry", device: torch.device, dtype: torch.dtype) -> FluxTransformer2DModel:
    """FLUX.1-schnell's layout."""
    with building(0, device, dtype):
        model = FluxTransformer2DModel(
            num_layers=geometry.double_blocks,
            num_single_layers=geometry.single_blocks,
            guidance_embeds=False,
            num_attention_heads=geometry.heads,
            joint_attention_dim=geometry.text_width,
            pooled_projection_dim=geometry.pooled_width,
        )
    return model.requires_grad_(False).eval()


def sdxl_unet(geometry: "UNetGeometry", dtype: torch.dtype) -> UNet2DConditionModel:
    """SDXL's layout; see `checkpoint_weights`."""
    with building(0, "cpu", dtype):
        model = UNet2DConditionModel(
            down_block_types=tuple("CrossAttnDownBlock2D" if n else "DownBlock2D" for n in geometry.transformers),
            up_block_types=tuple("CrossAttnUpBlock2D" if n else "UpBlock2D" for n in geometry.transformers[::-1]),
            block_out_channels=geometry.channels,
            layers_per_block=geometry.layers,
            use_linear_projection=True,
            transformer_layers_per_block=tuple(max(1, depth) for depth in geometry.transformers),
            attention_head_dim=tuple(max(1, width // 64) for width in geometry.channels),
            cross_attention_dim=geometry.text_width,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=geometry.added_width,
        )
    return model.requires_grad_(False).eval()


def checkpoint_weights(model: nn.Module, layout: dict) -> dict[str, Tensor]:
    """The weights of a diffusers UNet under the names of a Stable Diffusion checkpoint. ComfyUI must be importable.

    Args:
        layout: as in ComfyUI's model configs, such as `UNetGeometry.layout`.
    """
    import comfy.utils

    names = comfy.utils.unet_to_diffusers(layout)
    return {f"model.diffusion_model.{names[key]}": value.contiguous() for key, value in model.state_dict().items()}


def autoencoder(
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    latent_channels: int = 16,
    quant_conv: bool = False,
    widths: tuple[int, ...] = PUBLISHED_WIDTHS,
    seed: int = 1,
) -> AutoencoderKL:
    """FLUX.1's VAE; SDXL's has 4 latent channels and the two convolutions."""
    with building(seed, device, dtype):
        model = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * len(widths),
            up_block_types=("UpDecoderBlock2D",) * len(widths),
            layers_per_block=2,
            block_out_channels=widths,
            latent_channels=latent_channels,
            use_quant_conv=quant_conv,
            use_post_quant_conv=quant_conv,
            scaling_factor=SCALE,
            shift_factor=SHIFT,
        )
    return model.requires_grad_(False).eval()


def taesd_weights(model: AutoencoderTiny, scale: float = SCALE, shift: float = SHIFT) -> dict[str, Tensor]:
    """Those of a TAESD in the layout of its own files: the decoder counts its clamp as layer 0."""
    weights = {"vae_scale": torch.tensor(scale), "vae_shift": torch.tensor(shift)}
    for part, offset in (("encoder", 0), ("decoder", 1)):
        for key, value in getattr(model, part).state_dict().items():
            _, index, rest = key.split(".", 2)
            weights[f"taesd_{part}.{int(index) + offset}.{rest}"] = value.contiguous()
    return weights


def save(model: nn.Module, path: Path) -> None:
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, path)


def load(make: Callable[..., nn.Module], path: Path, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """A model made by `make(device, dtype)`, with the weights that `save` wrote."""
    model = make(torch.device("meta"), dtype)
    model.load_state_dict(load_file(path, device=str(device)), assign=True)
    return model.requires_grad_(False).eval()
