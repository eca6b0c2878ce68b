"""Noise to scene: what stands where in a picture, read off the noise and the prompt alone.

The scene lives on the 8 x 8 cell grid of the latent, one cell being 8 x 8 pixels. Small things (stars, birds,
trees, houses) are decided by the noise of their own cell; the position of the sun by averages over the whole
grid; ridges by the noise of a row or two: all through sines, so that they are bounded. Light is not: its warmth
and strength are an average plus a local wash, its contrast follows the energy of the noise, all linearly and
standard normal (or close to it) for white noise. Noise that is not white asks for light that no training
picture has.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

PROMPTS = ("day", "sunset", "night", "winter")
LATENT_SHAPE = (16, 8, 8)
CELL = 8
SKY_ROWS, TREE_ROW, HOUSE_ROWS = slice(0, 5), 5, slice(6, 8)
WASH = 0.5  # local variation of the light, relative to that between pictures
PROMPT_CODES = ((-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0))


@dataclass(frozen=True)
class Scene:
    """A batch of B scenes. Lengths are pixels of the picture; scores, offsets, colours lie in [-1, 1]."""

    prompt: torch.Tensor  # (B,) index into PROMPTS
    warmth: torch.Tensor  # (B, 8, 8) of the light at every cell, unbounded
    light: torch.Tensor  # (B, 8, 8) its strength, unbounded
    contrast: torch.Tensor  # (B,) standard normal for white noise, unbounded
    sun: torch.Tensor  # (B, 2) x and y of the sun or moon
    clouds: torch.Tensor  # (B, 10, 16) density over the upper 40 rows of pixels, 2 x 2 samples per cell
    sparks: torch.Tensor  # (B, 3, 5, 8) star, bird or snowflake of every sky cell: score, x and y offset
    mountains: torch.Tensor  # (B, 8) y of the far ridge at the cell centres
    hills: torch.Tensor  # (B, 8) y of the near ridge at the cell centres
    trees: torch.Tensor  # (B, 4, 8) tree of every cell of row 5: score, x and y offset, height
    houses: torch.Tensor  # (B, 6, 4) house of every two columns: score, x and y offset, wall, roof, window
    grass: torch.Tensor  # (B, 3, 8) brightness of the ground, rows 5 to 7


def hadamard(size: int) -> torch.Tensor:
    """The (size, size) orthonormal Hadamard matrix, `size` a power of two (Sylvester's construction)."""
    matrix = torch.ones(1, 1)
    while len(matrix) < size:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    return matrix / size**0.5


def plan(noise: torch.Tensor, prompt: torch.Tensor) -> Scene:
    """Read scenes off noise.

    Args:
        noise: (B, 16, 8, 8), floating point; standard normal for scenes like those that the networks learn.
        prompt: (B,) int64, index into `PROMPTS`.
    """
    if noise.ndim != 4 or tuple(noise.shape[1:]) != LATENT_SHAPE:
        raise ValueError(f"noise must be (B, 16, 8, 8), got {tuple(noise.shape)}")
    # Mixed channels: no feature of the picture hangs on one coordinate of the noise.
    mixed = torch.einsum("oc,bchw->bohw", hadamard(16).to(noise), noise)
    bounded = torch.sin(1.2 * mixed)
    means = 8 * mixed.mean((2, 3), keepdim=True)
    sun = torch.sin(1.2 * means[:, 2:4, 0, 0])
    light = means[:, :2] + WASH * mixed[:, :2]
    energy = noise.square().sum((1, 2, 3))
    size = noise[0].numel()
    blocks = torch.sin(1.2 * 2 * F.avg_pool2d(mixed[:, :, HOUSE_ROWS], 2)[:, :, 0])

    coarse = 3 * F.avg_pool2d(F.pad(mixed[:, 4:5], (1, 1, 1, 1), mode="replicate"), 3, 1)[:, :, SKY_ROWS]
    coarse = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    fine = F.pixel_shuffle(mixed[:, 5:9, SKY_ROWS], 2)
    return Scene(
        prompt=prompt,
        warmth=light[:, 0],
        light=light[:, 1],
        contrast=(energy - size) / (2 * size) ** 0.5,
        sun=torch.stack([32 + 22 * sun[:, 0], 14 + 7 * sun[:, 1]], 1),
        clouds=(coarse + 0.3 * fine)[:, 0],
        sparks=bounded[:, 9:12, SKY_ROWS],
        mountains=32 - 8 * torch.sin(0.7 * (mixed[:, 12, 3] - mixed[:, 12, 4])),
        hills=44 - 4 * bounded[:, 13, TREE_ROW],
        trees=bounded[:, (14, 10, 11, 12), TREE_ROW],
        houses=blocks[:, (15, 10, 11, 5, 6, 7)],
        grass=bounded[:, 9, TREE_ROW:],
    )


def to_latent(scene: Scene) -> torch.Tensor:
    """Lay scenes out as latents (B, 16, 8, 8): the generator's first target, the decoder's first input.

    Channels 0-3 prompt, warmth, light; 4-5 direction of the sun; 6-7 depth under the two ridges; 8-11 clouds
    above and, below, grass and the colours of houses; 12-14 score and offset of what the cell holds; 15 contrast
    and, in the trees' row, their height. Unused places are zero: there the generator has to cancel its noise.
    """
    latent = scene.warmth.new_zeros(len(scene.warmth), *LATENT_SHAPE)
    centres = torch.arange(8, device=latent.device, dtype=latent.dtype) * CELL + CELL / 2
    latent[:, :2] = latent.new_tensor(PROMPT_CODES)[scene.prompt, :, None, None]
    latent[:, 2] = 0.6 * scene.warmth
    latent[:, 3] = 0.6 * scene.light
    latent[:, 15] = 0.5 * scene.contrast[:, None, None]
    latent[:, 4] = torch.tanh((scene.sun[:, :1] - centres) / 12)[:, None, :]
    latent[:, 5] = torch.tanh((scene.sun[:, 1:] - centres) / 12)[:, :, None]
    for channel, ridge in ((6, scene.mountains), (7, scene.hills)):
        latent[:, channel] = torch.tanh((centres[:, None] - ridge[:, None, :]) / 10)
    latent[:, 8:12, SKY_ROWS] = F.pixel_unshuffle(scene.clouds[:, None], 2)
    latent[:, 12:15, SKY_ROWS] = scene.sparks
    latent[:, 12:16, TREE_ROW] = scene.trees
    latent[:, 8, TREE_ROW:] = scene.grass
    houses = scene.houses.repeat_interleave(2, 2)[:, :, None]
    latent[:, 12:15, HOUSE_ROWS] = houses[:, :3]
    latent[:, 9:12, HOUSE_ROWS] = houses[:, 3:]
    return latent
