"""How closely a picture's colours follow those of a reference picture, wherever they stand in it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .base import RewardModel, at_least_float32, check_images, check_range
from .constants import constant
from .preprocess import resize, triangle

# Both pictures are reduced to 64 x 64 colours: two distributions of equally many samples.
_SIDE = 64
_DIRECTIONS = 32

# IEC 61966-2-1: linear sRGB to CIE XYZ, relative to its white point D65.
_SRGB_TO_XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
_D65 = (0.9505, 1.0, 1.089)


class ColourPalette(RewardModel):
    """Minus the sliced Wasserstein-2 distance of the colours of picture and reference in CIELAB.

    The unit is that of CIELAB, averaged over directions: 0 is the same palette, a difference of 2 is just
    seen, 50 is another palette altogether. Bonneel et al., "Sliced and Radon Wasserstein Barycenters of
    Measures", J. Math. Imaging Vis. 51, 2015, eq. 8: the mean over directions of the squared distance of
    sorted projections.

    Args:
        reference: (1, 3, H, W) in [0, 1], the picture with the wanted colours.

    Raises:
        ValueError: the reference is not one RGB picture in [0, 1].
    """

    name = "colour palette"
    typical_range = (-50.0, 0.0)
    min_side = 4

    def __init__(self, reference: Tensor):
        super().__init__()
        check_images(reference, self.min_side)
        check_range(reference)
        if len(reference) != 1:
            raise ValueError(f"The colour palette is taken from one reference picture; got {len(reference)}.")
        # Ordinary tensors even under inference mode, because a later backward saves them.
        with torch.inference_mode(False), torch.no_grad():
            self.register_buffer("directions", _directions(_DIRECTIONS))
            pixels = at_least_float32(reference.clone()).to(self.directions.device)
            self.register_buffer("reference", self._sorted_projections(pixels))

    def score(self, images: Tensor, prompts: list[str] | None) -> Tensor:
        difference = self._sorted_projections(images) - self.reference.to(images.dtype)
        square = difference.square().mean(dim=(1, 2))
        reached = square == 0
        return -torch.where(reached, 1.0, square).sqrt() * ~reached

    def _sorted_projections(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, directions, 64 * 64): colours along each direction in ascending order."""
        colours = resize(images, _SIDE, _SIDE, triangle)
        lab = srgb_to_lab(colours).flatten(2)
        return (self.directions.to(lab.dtype) @ lab).sort(dim=-1).values


def srgb_to_lab(images: Tensor) -> Tensor:
    """(B, 3, H, W) sRGB in [0, 1] to CIELAB (D65): L in 0..100, a and b about -100..100.

    Values outside [0, 1] are continued along the linear parts of both curves, so the gradient is finite
    everywhere.
    """
    dark = images <= 0.04045
    linear = torch.where(dark, images / 12.92, ((torch.where(dark, 1.0, images) + 0.055) / 1.055) ** 2.4)
    xyz = torch.einsum("rc,bchw->brhw", constant(_SRGB_TO_XYZ, images), linear)
    ratio = xyz / constant(_D65, images)[:, None, None]
    small = ratio <= (6 / 29) ** 3
    curve = torch.where(small, ratio * (29 / 6) ** 2 / 3 + 4 / 29, torch.where(small, 1.0, ratio) ** (1 / 3))
    x, y, z = curve.unbind(dim=1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def _directions(count: int) -> Tensor:
    """(count, 3) unit vectors, evenly spread over a half sphere by a Fibonacci lattice."""
    index = torch.arange(count, dtype=torch.float64)
    height = (index + 0.5) / count
    angle = index * math.pi * (3 - math.sqrt(5))
    radius = (1 - height**2).sqrt()
    return torch.stack([radius * angle.cos(), radius * angle.sin(), height], dim=1).float()
