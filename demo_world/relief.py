"""Clouds, ridges and specks of a scene at any resolution, with the fine detail of larger pictures laid over them."""

import torch
import torch.nn.functional as F

from .scene import HOUSE_ROWS, PROMPTS, SKY_ROWS, Scene

# What a standard deviation, or the bound, of fine detail adds.
CLOUD_DETAIL = 0.16  # of density
GRASS_DETAIL = 0.4  # of brightness
MOUNTAIN_DETAIL, HILL_DETAIL = 0.7, 0.35  # units of length
SPECK_THRESHOLD, SPECK_SLOPE = 1.3, 1.2  # standard deviations from which on there is one, and how fast it grows


def _resampled(values: torch.Tensor, size: tuple[int, int], mode: str = "bicubic") -> torch.Tensor:
    """(B, h, w) -> (B, *size), of the same field."""
    return F.interpolate(values[:, None], size=size, mode=mode, align_corners=False)[:, 0]


def cloud_density(scene: Scene, size: tuple[int, int]) -> torch.Tensor:
    """(B, *size) over the upper 5 rows of cells, without fine detail."""
    return _resampled(scene.clouds, size)


def cloud_detail(scene: Scene, size: tuple[int, int]) -> torch.Tensor | float:
    """(B, *size): what fine detail adds to the density; about standard normal times `CLOUD_DETAIL`."""
    return 0.0 if scene.fine is None else CLOUD_DETAIL * _resampled(scene.fine.clouds, size)


def smooth_mountains(scene: Scene, columns: int) -> torch.Tensor:
    """(B, 1, columns): y of the far ridge, in units, at so many evenly spaced places, without fine detail."""
    return F.interpolate(scene.mountains[:, None], size=columns, mode="linear", align_corners=False)


def mountains(scene: Scene, columns: int) -> torch.Tensor:
    """(B, 1, columns): y of the far ridge, in units."""
    ridge = smooth_mountains(scene, columns)
    if scene.fine is None:
        return ridge
    rough = F.interpolate(scene.fine.mountains[:, None], size=columns, mode="linear", align_corners=False)
    return ridge + MOUNTAIN_DETAIL * rough


def hills(scene: Scene, columns: int) -> torch.Tensor:
    """(B, 1, columns): y of the near ridge, in units."""
    ridge = _resampled(scene.hills[:, None], (1, columns))
    return ridge if scene.fine is None else ridge + HILL_DETAIL * _resampled(scene.fine.hills[:, None], (1, columns))


def grass(scene: Scene, side: int) -> torch.Tensor:
    """(B, side, side): brightness of the ground, 0 above it."""
    brightness = _resampled(F.pad(scene.grass, (0, 0, 5, 0)), (side, side), "bilinear")
    if scene.fine is None:
        return brightness
    fine = F.pad(scene.fine.grass, (0, 0, SKY_ROWS.stop * scene.scale, 0))
    return brightness + GRASS_DETAIL * _resampled(fine, (side, side), "bilinear")


def specks(scene: Scene) -> torch.Tensor:
    """(B, 8k, 8k) in [0, 1]: how large the small star, flake or flower is; only of scales above 1.

    By night and in winter in the sky, always on the meadow.
    """
    scale = scene.scale
    present = (SPECK_SLOPE * (scene.fine.specks - SPECK_THRESHOLD)).clamp(0, 1)
    dark = (scene.prompt >= PROMPTS.index("night")).to(present)[:, None]
    rows = torch.arange(len(present[0]), device=present.device) // scale
    sky, meadow = ((rows >= part.start) & (rows < part.stop) for part in (SKY_ROWS, HOUSE_ROWS))
    return present * (dark * sky.to(present) + meadow.to(present))[:, :, None]
