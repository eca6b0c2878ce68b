"""Noise to scene: what stands where in a picture, read off the noise and the prompt alone.

The scene lives on 8 x 8 cells: one latent pixel each in pictures of 64 pixels, k x k in pictures of 64k. It is read off
the noise's composition, so that it is the same at each size. Small things (stars, birds,
trees, houses) are decided by the noise of their own cell; the position of the sun by averages over the whole
grid; ridges by the noise of a row or two: all through sines, so that they are bounded. Light is not: its warmth
and strength are an average plus a local wash, its contrast follows the energy of the composition, all linearly
and standard normal (or close to it) for white noise. A composition that is not white asks for light that no
training picture has. The light knows nothing of the remainder, which is what most of a larger noise is: of 3 in
4 numbers at 128 pixels and 15 in 16 at 256, only fine detail tells whether they are white.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from .composition import composition, scale_of
from .fine_detail import FineDetail, read_fine_detail
from .mixing import bounded as bound
from .mixing import mixed as mix

PROMPTS = ("day", "sunset", "night", "winter")
LATENT_SHAPE = (16, 8, 8)  # at 64 pixels
CELL = 8  # units along its side
SKY_ROWS, TREE_ROW, HOUSE_ROWS = slice(0, 5), 5, slice(6, 8)
SKY_UNITS = SKY_ROWS.stop * CELL
TREE_FOOT, HOUSE_FOOT = 50.0, 61.5  # y where trees and houses stand, in units
WASH = 0.5  # local variation of the light, relative to that between pictures


@dataclass(frozen=True)
class Scene:
    """A batch of B scenes. The unit of length is a 64th of the picture; scores, offsets, colours lie in [-1, 1]."""

    prompt: torch.Tensor  # (B,) index into PROMPTS
    warmth: torch.Tensor  # (B, 8, 8) of the light at every cell, unbounded
    light: torch.Tensor  # (B, 8, 8) its strength, unbounded
    contrast: torch.Tensor  # (B,) standard normal for white noise, unbounded
    sun: torch.Tensor  # (B, 2) x and y of the sun or moon
    clouds: torch.Tensor  # (B, 10, 16) density over the upper 40 units, 2 x 2 samples per cell
    sparks: torch.Tensor  # (B, 3, 5, 8) star, bird or snowflake of every sky cell: score, x and y offset
    mountains: torch.Tensor  # (B, 8) y of the far ridge at the cell centres
    hills: torch.Tensor  # (B, 8) y of the near ridge at the cell centres
    trees: torch.Tensor  # (B, 4, 8) tree of every cell of row 5: score, x and y offset, height
    houses: torch.Tensor  # (B, 6, 4) house of every two columns: score, x and y offset, wall, roof, window
    grass: torch.Tensor  # (B, 3, 8) brightness of the ground, rows 5 to 7
    scale: int = 1  # k: the latent has 8k x 8k pixels, the picture 64k x 64k
    fine: FineDetail | None = None  # of scales above 1


def plan(noise: torch.Tensor, prompt: torch.Tensor) -> Scene:
    """Read scenes off noise.

    Args:
        noise: (B, 16, 8k, 8k), k = 1, 2 or 4, floating point; standard normal for scenes like those that the networks
            learn.
        prompt: (B,) int64, index into `PROMPTS`.

    Raises:
        ValueError: noise of another shape.
    """
    scale, fine = scale_of(noise), read_fine_detail(noise)
    noise = composition(noise)
    mixed = mix(noise)
    bounded = bound(mixed)
    means = 8 * mixed.mean((2, 3), keepdim=True)
    sun = torch.sin(1.2 * means[:, 2:4, 0, 0])
    light = means[:, :2] + WASH * mixed[:, :2]
    energy = noise.square().sum((1, 2, 3))
    size = noise[0].numel()
    blocks = torch.sin(1.2 * 2 * F.avg_pool2d(mixed[:, :, HOUSE_ROWS], 2)[:, :, 0])

    coarse = 3 * F.avg_pool2d(F.pad(mixed[:, 4:5], (1, 1, 1, 1), mode="replicate"), 3, 1)[:, :, SKY_ROWS]
    coarse = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    puffs = F.pixel_shuffle(mixed[:, 5:9, SKY_ROWS], 2)
    return Scene(
        prompt=prompt,
        warmth=light[:, 0],
        light=light[:, 1],
        contrast=(energy - size) / (2 * size) ** 0.5,
        sun=torch.stack([32 + 22 * sun[:, 0], 14 + 7 * sun[:, 1]], 1),
        clouds=(coarse + 0.3 * puffs)[:, 0],
        sparks=bounded[:, 9:12, SKY_ROWS],
        mountains=32 - 8 * torch.sin(0.7 * (mixed[:, 12, 3] - mixed[:, 12, 4])),
        hills=44 - 4 * bounded[:, 13, TREE_ROW],
        trees=bounded[:, (14, 10, 11, 12), TREE_ROW],
        houses=blocks[:, (15, 10, 11, 5, 6, 7)],
        grass=bounded[:, 9, TREE_ROW:],
        scale=scale,
        fine=fine,
    )
