"""From images in [0, 1] to encoder inputs, differentiably.

The published models resize with PIL's antialiased bicubic filter (Keys' cubic, a = -1/2, widened by the scale
when shrinking). Here the same filter is a pair of matrix products: equal to `F.interpolate(mode="bicubic",
antialias=True)`, but with a deterministic gradient on every device.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from .constants import constant

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def cubic(distance: Tensor) -> Tensor:
    """Keys' cubic convolution kernel with a = -1/2, as in PIL."""
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return torch.where(distance < 1, near, torch.where(distance < 2, far, 0.0))


def triangle(distance: Tensor) -> Tensor:
    """Linear interpolation; unlike the cubic it never overshoots."""
    return (1 - distance).clamp(min=0)


def resize(images: Tensor, height: int, width: int, kernel: Callable[[Tensor], Tensor] = cubic) -> Tensor:
    """Antialiased resize, each direction by itself.

    Args:
        images: (B, C, H, W), floating point.
        height, width: of the result, pixels.
        kernel: distance in pixels of the coarser grid -> weight.

    Returns:
        (B, C, height, width), of the dtype of `images`.
    """
    if images.shape[-2] != height:
        images = _resampling_matrix(images.shape[-2], height, kernel, images.device, images.dtype) @ images
    if images.shape[-1] != width:
        images = images @ _resampling_matrix(images.shape[-1], width, kernel, images.device, images.dtype).T
    return images


def shorter_edge_crop(images: Tensor, size: int, round_offset: bool = True) -> Tensor:
    """Shorter edge to `size`, then the central size x size square.

    Args:
        images: (B, C, H, W), floating point.
        size: side of the square, pixels.
        round_offset: an odd margin is split as torchvision does, half to even; False rounds it down, as the
            transformers image processor does.

    Returns:
        (B, C, size, size).
    """
    height, width = images.shape[-2:]
    if height <= width:
        height, width = size, max(size, int(size * width / height))
    else:
        height, width = max(size, int(size * height / width)), size
    images = resize(images, height, width)
    top, left = (int(round((side - size) / 2)) if round_offset else (side - size) // 2 for side in (height, width))
    return images[..., top : top + size, left : left + size]


def longest_edge_pad(images: Tensor, size: int) -> Tensor:
    """Longest edge to `size`, then black borders up to size x size."""
    scale = size / max(images.shape[-2:])
    height, width = (max(1, round(side * scale)) for side in images.shape[-2:])
    images = resize(images, height, width)
    top, left = (size - height) // 2, (size - width) // 2
    return F.pad(images, (left, size - width - left, top, size - height - top))


def squash(images: Tensor, size: int) -> Tensor:
    """Both edges to `size`; the aspect ratio is not kept."""
    return resize(images, size, size)


def normalise(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Subtract the mean and divide by the standard deviation of each channel of images (B, C, H, W)."""
    return (images - constant(mean, images)[:, None, None]) / constant(std, images)[:, None, None]


def clip_pixels(images: Tensor, size: int, round_offset: bool = True) -> Tensor:
    """What CLIP and BLIP read: `shorter_edge_crop`, with CLIP's mean and standard deviation.

    Args:
        images: (B, 3, H, W) in [0, 1].
        size, round_offset: as in `shorter_edge_crop`.

    Returns:
        (B, 3, size, size).
    """
    return normalise(shorter_edge_crop(images, size, round_offset), CLIP_MEAN, CLIP_STD)


@lru_cache(maxsize=16)
def _resampling_matrix(
    length: int, new_length: int, kernel: Callable[[Tensor], Tensor], device: torch.device, dtype: torch.dtype
) -> Tensor:
    """(new_length, length) weights of the antialiased kernel, made in float64; each row sums to 1."""
    with torch.inference_mode(False), torch.no_grad():  # a later backward saves it
        scale = length / new_length
        centres = (torch.arange(new_length, dtype=torch.float64) + 0.5) * scale
        samples = torch.arange(length, dtype=torch.float64) + 0.5
        weights = kernel((samples - centres[:, None]).abs() / max(scale, 1.0))
        return (weights / weights.sum(dim=1, keepdim=True)).to(device=device, dtype=dtype)
