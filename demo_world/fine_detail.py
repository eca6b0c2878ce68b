"""What only larger pictures show: texture, rough ridges, flowers and small stars, read off the noise's remainder."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from .composition import remainder, scale_of
from .mixing import bounded, mixed

SKY_CELLS, GROUND_CELLS = 5, 3  # rows of cells with clouds above, and with grass below


@dataclass(frozen=True)
class FineDetail:
    """Of B scenes whose cells are k x k latent pixels, k above 1. About standard normal where no range is given."""

    clouds: torch.Tensor  # (B, 10k, 16k) over the upper 5 rows of cells; where rock is, its texture
    mountains: torch.Tensor  # (B, 8k) of the far ridge at the centres of the latent's columns, in [-1, 1]
    hills: torch.Tensor  # (B, 8k) of the near ridge, in [-1, 1]
    grass: torch.Tensor  # (B, 3k, 8k) over the lower 3 rows of cells, in [-1, 1]
    specks: torch.Tensor  # (B, 8k, 8k) a small star, flake or flower at the centre of each latent pixel


def _two_octaves(fine: torch.Tensor, scale: int) -> torch.Tensor:
    """As it is, or where the size has room for it with a field twice as coarse; then of variance 1.2 to 1.3."""
    if scale < 4:
        return fine
    coarse = F.interpolate(2 * F.avg_pool2d(fine, 2), scale_factor=2, mode="bilinear", align_corners=False)
    return (coarse + 0.5 * fine) / 0.85


def read_fine_detail(noise: torch.Tensor) -> FineDetail | None:
    """Of noise (B, 16, 8k, 8k); None for k = 1, which has no room for it."""
    scale = scale_of(noise)
    if scale == 1:
        return None
    fine = mixed(remainder(noise)) / (1 - scale**-2) ** 0.5
    sky, ground = SKY_CELLS * scale, (SKY_CELLS + GROUND_CELLS) * scale
    clouds = _two_octaves(F.pixel_shuffle(fine[:, 5:9, :sky], 2), scale)
    # Ridges hang on one row of the transformer's patches of 2 x 2.
    ridge = 2**0.5 * fine[:, 12:14].unfold(2, 2, 2).mean(-1)
    return FineDetail(
        clouds=clouds[:, 0],
        mountains=bounded(ridge[:, 0, 2 * scale]),
        hills=bounded(ridge[:, 1, 5 * scale // 2]),
        grass=bounded(fine[:, 9, sky:ground]),
        specks=fine[:, 4],
    )
