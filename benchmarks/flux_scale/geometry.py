"""FLUX.1's architecture at several sizes, and what a step starts from beside the model and the VAE."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from tools.random_models import building

LATENT_CHANNELS = 16


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


def token_weights(model: nn.Module) -> int:
    """Weights that every token is multiplied by: those of the blocks without the modulation, which runs once."""
    return sum(p.numel() for name, p in model.named_parameters() if "blocks." in name and ".linear." not in name)


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
        return ClipReward(*geometry.reward).requires_grad_(False).eval()


@dataclass(frozen=True)
class Inputs:
    """What both sides start from. noise: (B, 16, H/8, W/8) float32. text: (1, tokens, width). pooled: (1, width)."""

    noise: Tensor
    text: Tensor
    pooled: Tensor


def inputs(geometry: Geometry, side: int, batch: int) -> Inputs:
    generator = torch.Generator().manual_seed(4)
    return Inputs(*(torch.randn(shape, generator=generator) for shape in (
        (batch, LATENT_CHANNELS, side // 8, side // 8), (1, geometry.text_tokens, geometry.text_width),
        (1, geometry.pooled_width))))
