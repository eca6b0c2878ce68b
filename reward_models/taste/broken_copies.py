"""What nobody likes: copies of the liked pictures, broken in ways in which optimized pictures go wrong."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..preprocess import resize, triangle
from .views import KEPT

TILES = 4  # along each side of a shuffled picture


def blurred(image: Tensor) -> Tensor:
    """An eighth of the resolution."""
    height, width = image.shape[-2:]
    small = resize(image, max(1, height // 8), max(1, width // 8), triangle)
    return resize(small, height, width, triangle)


def washed_out(image: Tensor) -> Tensor:
    """A grey veil."""
    return 0.5 + 0.3 * (image - 0.5)


def noisy(image: Tensor) -> Tensor:
    """White noise of a standard deviation of a quarter on top; the same one for every picture of a size."""
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    return (image + 0.25 * noise.to(image)).clamp(0, 1)


def harsh(image: Tensor) -> Tensor:
    """Colours and contrast as high as they go."""
    grey = image.mean(dim=-3, keepdim=True)
    return (0.5 + 2.5 * (grey + 2 * (image - grey) - 0.5)).clamp(0, 1)


def recoloured(image: Tensor) -> Tensor:
    """Every colour another one: red, green and blue changed round."""
    return image.roll(1, dims=-3)


def shuffled(image: Tensor) -> Tensor:
    """4 x 4 tiles in another order."""
    height, width = (side // TILES for side in image.shape[-2:])
    if min(height, width) == 0:
        return image.flip(-2)
    order = torch.randperm(TILES * TILES, generator=torch.Generator().manual_seed(0)).tolist()
    tiles = [
        image[..., i * height : (i + 1) * height, j * width : (j + 1) * width]
        for i in range(TILES)
        for j in range(TILES)
    ]
    rows = [torch.cat([tiles[k] for k in order[i * TILES : (i + 1) * TILES]], dim=-1) for i in range(TILES)]
    return torch.cat(rows, dim=-2)


Break = Callable[[Tensor], Tensor]
# Whoever names disliked pictures tells what is worse; then the copies only guard against broken pictures.
GUARDS: dict[str, Break] = {"blurred": blurred, "washed out": washed_out, "noisy": noisy, "harsh": harsh}
# In place of disliked pictures, colours and layout have to mean something too.
WAYS: dict[str, Break] = {**GUARDS, "recoloured": recoloured, "shuffled": shuffled}
FEW = 16  # pictures: so few are broken in every way, of more each in one


def ways_to_break(index: int, count: int, ways: dict[str, Break]) -> dict[str, Break]:
    """How picture `index` of `count` is broken: enough copies of a few pictures, not too many of hundreds."""
    if count <= FEW:
        return ways
    name = list(ways)[index % len(ways)]
    return {name: ways[name]}


def as_seen(image: Tensor, encoder_side: int) -> Tensor:
    """(3, H, W), shrunk to what the encoder and the crops of `views` can use, so that breaking it can be seen.

    Noise or blur of a pixel's size on a large picture would be lost when the encoder shrinks it. Never enlarged.
    """
    height, width = image.shape[-2:]
    scale = min(1.0, encoder_side / KEPT / min(height, width))
    return resize(image, max(1, round(height * scale)), max(1, round(width * scale))).clamp(0, 1)
