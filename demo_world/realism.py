"""How unlike the painter's pictures a picture is; knows nothing of rewards, prompts or noise."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from .rewards import to_picture_size


class DenoisingAutoencoder(nn.Module):
    """Squeezes a picture through 8 x 8 x ``bottleneck`` numbers.

    Trained to restore painter pictures from pixel noise, it returns what it takes for the nearest of them
    (Vincent et al. 2008, "Extracting and composing robust features with denoising autoencoders").
    """

    licence = "Apache-2.0"

    def __init__(self, width: int = 24, bottleneck: int = 12):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, width, 4, 2, 1),
            nn.SiLU(),
            nn.Conv2d(width, 2 * width, 4, 2, 1),
            nn.SiLU(),
            nn.Conv2d(2 * width, 3 * width, 4, 2, 1),
            nn.SiLU(),
            nn.Conv2d(3 * width, bottleneck, 3, 1, 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(bottleneck, 3 * width, 3, 1, 1),
            nn.SiLU(),
            nn.Conv2d(3 * width, 4 * 2 * width, 3, 1, 1),
            nn.PixelShuffle(2),
            nn.SiLU(),
            nn.Conv2d(2 * width, 4 * width, 3, 1, 1),
            nn.PixelShuffle(2),
            nn.SiLU(),
            nn.Conv2d(width, 12, 3, 1, 1),
            nn.PixelShuffle(2),
        )

    def restore(self, images: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.encoder(images * 2 - 1)) + 0.5

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """images (B, 3, H, W) in [0, 1] -> (B,) mean squared distance to its restoration; larger is worse."""
        images = to_picture_size(images)
        return (self.restore(images) - images).square().mean((1, 2, 3))

    def save(self, path: Path, dtype: torch.dtype = torch.float16) -> None:
        save_file({k: v.to(dtype).contiguous() for k, v in self.state_dict().items()}, path)

    def load(self, path: Path) -> "DenoisingAutoencoder":
        """Fill in the weights of a file that ``save`` wrote; they become float32."""
        self.load_state_dict({k: v.float() for k, v in load_file(path).items()})
        return self
