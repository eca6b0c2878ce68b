"""What the painter paints on: a batch of pictures of one size, measured in units of a 64th of the picture."""

import torch

from .scene import PROMPTS, Scene

SIZE = 64  # units along the side, and pixels at scale 1


class Canvas:
    """Pictures (B, 3, 64k, 64k) and how much small detail each pixel holds (B, 64k, 64k)."""

    def __init__(self, scene: Scene):
        like = scene.contrast
        self.like, self.scale, self.side = like, scene.scale, SIZE * scene.scale
        axis = torch.arange(self.side, device=like.device, dtype=like.dtype) + 0.5
        if self.scale > 1:
            axis = axis / self.scale
        self.y, self.x = axis[:, None], axis[None, :]
        self.prompt = scene.prompt
        self.night = (scene.prompt == PROMPTS.index("night")).to(like)[:, None, None]
        self.winter = (scene.prompt == PROMPTS.index("winter")).to(like)[:, None, None]
        self.image = like.new_zeros(len(like), 3, self.side, self.side)
        self.detail = like.new_zeros(len(like), self.side, self.side)

    def colour(self, palette: tuple) -> torch.Tensor:
        """(B, 3, 1, 1): each picture's entry of a palette with one colour for each prompt."""
        return self.like.new_tensor(palette)[self.prompt, :, None, None]

    def plain(self, colour: tuple) -> torch.Tensor:
        """(3, 1, 1): one colour for all."""
        return self.like.new_tensor(colour)[:, None, None]

    def lay(self, colour: torch.Tensor, alpha: torch.Tensor, detail: float = 0.0) -> None:
        """Cover with `colour` (B, 3, h, w broadcastable) where `alpha` (B, 64k, 64k) is 1."""
        self.image = self.image + alpha[:, None] * (colour - self.image)
        self.detail = torch.maximum(self.detail * (1 - alpha), detail * alpha)

    def inside(self, depth: torch.Tensor) -> torch.Tensor:
        """Coverage of a pixel whose centre lies `depth` units inside an edge: the edge is one pixel wide."""
        return (depth * self.scale + 0.5).clamp(0, 1)


def present(score: torch.Tensor, threshold: float) -> torch.Tensor:
    """How opaque a thing with such a score is."""
    return (0.5 + 8 * (score - threshold)).clamp(0, 1)


def blend(pair: tuple, position: torch.Tensor) -> torch.Tensor:
    """(B, 3, 1, 1): between two colours, `position` (B,) from -1 to 1."""
    first, second = position.new_tensor(pair)
    return (first + (position[:, None] + 1) / 2 * (second - first))[..., None, None]
