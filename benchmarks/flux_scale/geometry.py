"""FLUX.1's architecture at several sizes, with random weights, as diffusers saves them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, FluxTransformer2DModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

LATENT_CHANNELS = 16
# FLUX.1's latent format: the decoder reads latent / SCALE + SHIFT.
SCALE, SHIFT = 0.3611, 0.1159


@dataclass(frozen=True)
class Geometry:
    """heads: of 128 channels. reward: layers and width of the CLIP that scores."""

    heads: int
    double_blocks: int
    single_blocks: int
    text_tokens: int
    text_width: int
    pooled_width: int
    reward: tuple[int, int]


GEOMETRIES = {
    "tiny": Geometry(1, 1, 2, 8, 64, 32, (1, 64)),
    "small": Geometry(8, 4, 10, 128, 4096, 768, (4, 256)),  # 0.3 billion parameters
    "full": Geometry(24, 19, 38, 256, 4096, 768, (24, 1024)),  # FLUX.1-schnell, and CLIP L/14
}


def transformer(geometry: Geometry, device: torch.device, dtype: torch.dtype) -> FluxTransformer2DModel:
    with building(0, device, dtype):
        model = FluxTransformer2DModel(
            num_layers=geometry.double_blocks, num_single_layers=geometry.single_blocks, guidance_embeds=False,
            num_attention_heads=geometry.heads, joint_attention_dim=geometry.text_width,
            pooled_projection_dim=geometry.pooled_width)
    return model.requires_grad_(False).eval()


def token_weights(model: FluxTransformer2DModel) -> int:
    """Weights that every token is multiplied by: those of the blocks without the modulation, which runs once."""
    return sum(p.numel() for name, p in model.named_parameters() if "blocks." in name and ".linear." not in name)


def autoencoder(device: torch.device, dtype: torch.dtype, latent_channels: int = LATENT_CHANNELS,
                quant_conv: bool = False) -> AutoencoderKL:
    """FLUX.1's VAE; SDXL's has 4 latent channels and the two convolutions."""
    with building(1, device, dtype):
        model = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=2,
            block_out_channels=(128, 256, 512, 512), latent_channels=latent_channels, use_quant_conv=quant_conv,
            use_post_quant_conv=quant_conv)
    return model.requires_grad_(False).eval()


def save_tiny_autoencoder(path: Path) -> None:
    """A TAESD, in the layout of its own files: the decoder counts its clamp as layer 0."""
    torch.manual_seed(2)
    model = AutoencoderTiny(latent_channels=LATENT_CHANNELS)
    weights = {"vae_scale": torch.tensor(SCALE), "vae_shift": torch.tensor(SHIFT)}
    for part, offset in (("encoder", 0), ("decoder", 1)):
        for key, value in getattr(model, part).state_dict().items():
            _, index, rest = key.split(".", 2)
            weights[f"taesd_{part}.{int(index) + offset}.{rest}"] = value.contiguous()
    save_file(weights, path)


def load(make: Callable[..., nn.Module], path: Path, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """A model made by `make(device, dtype)`, with the weights that `save` wrote."""
    model = make(torch.device("meta"), dtype)
    model.load_state_dict(load_file(path, device=str(device)), assign=True)
    return model.requires_grad_(False).eval()


def save(model: nn.Module, path: Path) -> None:
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, path)


class ClipReward(nn.Module):
    """A CLIP picture tower and a linear head: what an aesthetic score computes. (B, 3, H, W) in [0, 1] -> (B,)."""

    def __init__(self, layers: int, width: int):
        super().__init__()
        config = CLIPVisionConfig(hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers,
                                  num_attention_heads=width // 64, patch_size=14, projection_dim=width)
        self.tower = CLIPVisionModelWithProjection(config)
        self.head = nn.Linear(width, 1)

    def forward(self, images: Tensor) -> Tensor:
        small = nn.functional.interpolate(images, 224, mode="bicubic", antialias=True)
        pixels = (small - 0.45) / 0.27
        return self.head(self.tower(pixels.to(self.head.weight.dtype)).image_embeds).squeeze(1).float()


def reward(geometry: Geometry, device: torch.device, dtype: torch.dtype) -> ClipReward:
    with building(3, device, dtype):
        model = ClipReward(*geometry.reward)
    return model.requires_grad_(False).eval()


@dataclass(frozen=True)
class Inputs:
    """What both sides start from. noise: (B, 16, H/8, W/8) float32. text: (1, tokens, width). pooled: (1, width)."""

    noise: Tensor
    text: Tensor
    pooled: Tensor


def inputs(geometry: Geometry, side: int, batch: int) -> Inputs:
    generator = torch.Generator().manual_seed(4)
    return Inputs(
        torch.randn(batch, LATENT_CHANNELS, side // 8, side // 8, generator=generator),
        torch.randn(1, geometry.text_tokens, geometry.text_width, generator=generator),
        torch.randn(1, geometry.pooled_width, generator=generator),
    )


@contextmanager
def building(seed: int, device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Models made inside have the same random weights each time, and never exist in another dtype."""
    torch.manual_seed(seed)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            yield
    finally:
        torch.set_default_dtype(before)
