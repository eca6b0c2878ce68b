"""Scene to latent: what the generator learns to make of noise, and what the decoder learns to paint from."""

import torch
import torch.nn.functional as F

from .composition import CELLS, CHANNELS
from .relief import cloud_density, cloud_detail, grass, hills, mountains, specks
from .scene import CELL, HOUSE_FOOT, HOUSE_ROWS, SKY_ROWS, SKY_UNITS, TREE_FOOT, TREE_ROW, Scene

PROMPT_CODES = ((-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0))
SCALE_CODES = {2: 1.5, 4: 2.25}  # what the first of them is multiplied with, above k = 1


def to_latent(scene: Scene) -> torch.Tensor:
    """Lay scenes out as latents (B, 16, 8k, 8k): the generator's target, the decoder's first input.

    Channels 0-3 prompt, warmth, light; 4-5 direction of the sun; 6-7 depth under the two ridges; 8-11 clouds
    above and, below, grass and the colours of houses; 12-14 score and offset of what the cell holds; 15 contrast
    and, in the trees' row, their height. Unused places are zero: there the generator has to cancel its noise.

    Above k = 1 a decoder no longer sees the edges from everywhere, so that each pixel tells where it is: the first
    prompt code grows with k, the second with y, and an offset is that from the pixel to the object. There is more in a
    pixel, too: in channels 8-11 the texture of clouds and, below the ridge, of rock; in 15 specks.
    """
    side = CELLS * scene.scale
    latent = scene.warmth.new_zeros(len(scene.warmth), CHANNELS, side, side)
    centres = (torch.arange(side, device=latent.device, dtype=latent.dtype) + 0.5) * (CELL / scene.scale)
    latent[:, :2] = latent.new_tensor(PROMPT_CODES)[scene.prompt, :, None, None]
    latent[:, 4] = torch.tanh((scene.sun[:, :1] - centres) / 12)[:, None, :]
    latent[:, 5] = torch.tanh((scene.sun[:, 1:] - centres) / 12)[:, :, None]
    for channel, ridge in ((6, mountains), (7, hills)):
        latent[:, channel] = torch.tanh((centres[:, None] - ridge(scene, side)) / 10)
    (_lay_cells if scene.scale == 1 else _lay_pixels)(latent, scene)
    return latent


def _lay_cells(latent: torch.Tensor, scene: Scene) -> None:
    """The other channels where a pixel is a cell."""
    latent[:, 2] = 0.6 * scene.warmth
    latent[:, 3] = 0.6 * scene.light
    latent[:, 15] = 0.5 * scene.contrast[:, None, None]
    latent[:, 8:12, SKY_ROWS] = F.pixel_unshuffle(scene.clouds[:, None], 2)
    latent[:, 12:15, SKY_ROWS] = scene.sparks
    latent[:, 12:16, TREE_ROW] = scene.trees
    latent[:, 8, TREE_ROW:] = scene.grass
    houses = scene.houses.repeat_interleave(2, 2)[:, :, None]
    latent[:, 12:15, HOUSE_ROWS] = houses[:, :3]
    latent[:, 9:12, HOUSE_ROWS] = houses[:, 3:]


def _places(latent: torch.Tensor, count: int, span: float = 64.0) -> torch.Tensor:
    """(count,) the centres, in units, of so many equal parts of a span."""
    return (torch.arange(count, device=latent.device, dtype=latent.dtype) + 0.5) * (span / count)


def _spread(cells: torch.Tensor, across: int, down: int) -> torch.Tensor:
    """(B, C, rows, columns) -> every element repeated so often in each direction."""
    return cells.repeat_interleave(down, 2).repeat_interleave(across, 3)


def _lay_pixels(latent: torch.Tensor, scene: Scene) -> None:
    """The other channels where a cell has k x k pixels."""
    scale, side = scene.scale, latent.shape[-1]
    x, y = _places(latent, side)[None, None, :], _places(latent, side)[None, :, None]
    sky, trees, meadow = (slice(a * scale, b * scale) for a, b in ((0, TREE_ROW), (TREE_ROW, 6), (6, CELLS)))
    latent[:, 0] *= SCALE_CODES[scale]
    latent[:, 1] *= 0.5 + 1.5 * y / 64
    light = torch.stack([scene.warmth, scene.light], 1)
    latent[:, 2:4] = 0.6 * F.interpolate(light, size=(side, side), mode="bicubic", align_corners=False)
    latent[:, 15] = 0.5 * scene.contrast[:, None, None] + specks(scene)

    size = (2 * sky.stop, 2 * side)
    depth = _places(latent, size[0], SKY_UNITS)[:, None] - mountains(scene, size[1])
    clouds = cloud_density(scene, size) * (0.5 - depth / 2).clamp(0, 1) + cloud_detail(scene, size)
    latent[:, 8:12, sky] = F.pixel_unshuffle(clouds[:, None], 2)
    latent[:, 8, trees.start :] = grass(scene, side)[:, trees.start :]

    middle = _places(latent, CELLS)
    score, dx, dy = _spread(scene.sparks, scale, scale).unbind(1)
    latent[:, 12, sky] = score
    latent[:, 13, sky] = (middle.repeat_interleave(scale) + 1.5 * dx - x) / 4
    latent[:, 14, sky] = (middle[:TREE_ROW].repeat_interleave(scale)[:, None] + 1.5 * dy - y[:, sky]) / 4
    score, dx, dy, height = _spread(scene.trees[:, :, None], scale, scale).unbind(1)
    latent[:, 12, trees], latent[:, 15, trees] = score, height
    latent[:, 13, trees] = (middle.repeat_interleave(scale) + 1.5 * dx - x) / 4
    latent[:, 14, trees] = (TREE_FOOT + 1.5 * dy - y[:, trees]) / 8
    house = _spread(scene.houses[:, :, None], 2 * scale, 2 * scale)
    latent[:, 12, meadow], latent[:, 9:12, meadow] = house[:, 0], house[:, 3:]
    latent[:, 13, meadow] = (_places(latent, 4).repeat_interleave(2 * scale) + 1.5 * house[:, 1] - x) / 6
    latent[:, 14, meadow] = (HOUSE_FOOT + 1.2 * house[:, 2] - y[:, meadow]) / 8
