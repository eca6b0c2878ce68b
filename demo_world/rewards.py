"""The two rewards of the demo world, learned from painter pictures: one to climb and a held-out one to watch.

Both score the taste of `taste.py` from 0 to 10: warm light, lit windows, a high sun, few clouds. They differ
in architecture (convolutions against patches and perceptrons) and in what they saw: the target only painter
pictures, the held-out one other painter pictures and broken ones, which it learned to score lower.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

SIZE = 64
OVERSHOOT = 0.5  # what a decoder may leave [0, 1] by


def to_picture_size(images: torch.Tensor) -> torch.Tensor:
    """(B, 3, H, W) images in [0, 1] -> (B, 3, 64, 64), antialiased and differentiable; float32 or wider.

    Values are looked at only in images that need no gradient, so that an ascent does not wait for the device.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images must be (B, 3, H, W) in [0, 1], got {tuple(images.shape)}")
    if not images.requires_grad and images.numel():
        low, high = (float(bound) for bound in images.nan_to_num(0.0, 0.0, 0.0).aminmax())
        if low < -OVERSHOOT or high > 1 + OVERSHOOT:
            raise ValueError(f"images must be (B, 3, H, W) in [0, 1], got values from {low:.3g} to {high:.3g}")
    if images.dtype not in (torch.float32, torch.float64):
        images = images.float()
    if images.shape[-2:] == (SIZE, SIZE):
        return images
    return F.interpolate(images, size=(SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False)


class Reward(nn.Module):
    """images (B, 3, H, W) in [0, 1] -> scores (B,) between 0 and 10, larger is better."""

    name: str
    needs_prompt = False
    typical_range = (0.0, 10.0)

    def logit(self, images: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def forward(self, images: torch.Tensor, prompts: list[str] | None = None) -> torch.Tensor:
        return 10 * torch.sigmoid(self.logit(to_picture_size(images)))

    def save(self, path: Path, dtype: torch.dtype = torch.float16) -> None:
        save_file({k: v.to(dtype).contiguous() for k, v in self.state_dict().items()}, path)

    def load(self, path: Path) -> "Reward":
        """Fill in the weights of a file that `save` wrote; they become float32."""
        self.load_state_dict({k: v.float() for k, v in load_file(path).items()})
        return self


class ConvolutionalTaste(Reward):
    """The target: strided convolutions, then a linear map that knows where things stand."""

    name = "demo taste"

    def __init__(self, width: int = 24):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, width, 5, 2, 2),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, 2, 1),
            nn.ReLU(),
        )
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(2 * width * 16, 32), nn.ReLU(), nn.Linear(32, 1))

    def logit(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(images * 2 - 1))[:, 0]


class _MixerBlock(nn.Module):
    """A layer of MLP-Mixer (arXiv 2105.01601): a perceptron over the patches, then one over the channels."""

    def __init__(self, tokens: int, width: int):
        super().__init__()
        self.token_norm, self.channel_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.token_mlp = nn.Sequential(nn.Linear(tokens, tokens), nn.GELU(), nn.Linear(tokens, tokens))
        self.channel_mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.token_mlp(self.token_norm(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channel_mlp(self.channel_norm(x))


class PatchTaste(Reward):
    """The held-out reward: 8 x 8 patches and perceptrons, no convolution."""

    name = "demo taste (held out)"

    def __init__(self, width: int = 64, depth: int = 3):
        super().__init__()
        tokens = (SIZE // 8) ** 2
        self.embed = nn.Linear(3 * 8 * 8, width)
        self.blocks = nn.Sequential(*[_MixerBlock(tokens, width) for _ in range(depth)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 1)

    def logit(self, images: torch.Tensor) -> torch.Tensor:
        patches = F.unfold(images * 2 - 1, 8, stride=8).transpose(1, 2)
        return self.head(self.norm(self.blocks(self.embed(patches))).mean(1))[:, 0]
