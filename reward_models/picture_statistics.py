"""Rewards that need no weights: brightness, contrast, colourfulness and sharpness of the picture itself."""

from __future__ import annotations

import torch
from torch import Tensor

from .base import RewardModel
from .constants import constant

# Luma of Rec. ITU-R BT.709, applied to the gamma-encoded values as displays and photo tools do.
_LUMA = (0.2126, 0.7152, 0.0722)


def brightness(images: Tensor) -> Tensor:
    """Mean luma. (B, 3, H, W) in [0, 1] to (B,) in [0, 1]."""
    return _luma(images).mean(dim=(1, 2))


def contrast(images: Tensor) -> Tensor:
    """Standard deviation of the luma (root-mean-square contrast). (B, 3, H, W) to (B,) in [0, 0.5].

    Peli, "Contrast in complex images", J. Opt. Soc. Am. A 7(10), 1990, eq. 1.
    """
    return _sqrt(_luma(images).var(dim=(1, 2), correction=0))


def colourfulness(images: Tensor) -> Tensor:
    """Perceived colourfulness M = sigma_rgyb + 0.3 mu_rgyb, on a 0..255 scale. (B, 3, H, W) to (B,).

    0 is grey, 15 slightly, 45 averagely, 109 extremely colourful. Hasler and Süsstrunk, "Measuring
    Colourfulness in Natural Images", SPIE 5007, 2003, section 7.
    """
    red, green, blue = (255 * images).unbind(dim=1)
    red_green = (red - green).flatten(1)
    yellow_blue = ((red + green) / 2 - blue).flatten(1)
    spread = _sqrt(red_green.var(dim=1, correction=0) + yellow_blue.var(dim=1, correction=0))
    return spread + 0.3 * _sqrt(red_green.mean(dim=1) ** 2 + yellow_blue.mean(dim=1) ** 2)


def sharpness(images: Tensor) -> Tensor:
    """Variance of the luma's Laplacian, on a 0..255 scale. (B, 3, H, W) to (B,).

    Below about 100 a photograph is blurred. Noise raises it too, and so does a smaller resolution of the same
    picture. Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy: a comparative study", ICPR
    2000.
    """
    luma = 255 * _luma(images)
    centre = luma[:, 1:-1, 1:-1]
    across = luma[:, 1:-1, :-2] + luma[:, 1:-1, 2:]
    along = luma[:, :-2, 1:-1] + luma[:, 2:, 1:-1]
    return (across + along - 4 * centre).var(dim=(1, 2), correction=0)


STATISTICS = {
    "brightness": (brightness, (0.0, 1.0)),
    "contrast": (contrast, (0.0, 0.5)),
    "colourfulness": (colourfulness, (0.0, 110.0)),
    "sharpness": (sharpness, (0.0, 2000.0)),
}


class PictureStatistic(RewardModel):
    """A statistic of the picture as a reward: as large as possible, or as close as possible to `target`.

    Args:
        statistic: one of `STATISTICS`.
        target: the wanted value, in the statistic's own units; the score is then -|value - target|. None: the
            score is the value.

    Raises:
        ValueError: there is no such statistic.
    """

    min_side = 4

    def __init__(self, statistic: str, target: float | None = None):
        super().__init__()
        if statistic not in STATISTICS:
            raise ValueError(f"There is no statistic {statistic!r}; choose one of {', '.join(STATISTICS)}.")
        self.name = statistic
        self.target = target
        self._measure, (low, high) = STATISTICS[statistic]
        self.typical_range = (low, high) if target is None else (-(high - low), 0.0)

    def score(self, images: Tensor, prompts: list[str] | None) -> Tensor:
        value = self._measure(images)
        return value if self.target is None else -(value - self.target).abs()


def _luma(images: Tensor) -> Tensor:
    return torch.einsum("bchw,c->bhw", images, constant(_LUMA, images))


def _sqrt(x: Tensor) -> Tensor:
    """Square root with gradient 0, not infinity, at 0: a flat picture has no steepest direction."""
    positive = x > 0
    return torch.where(positive, x, 1.0).sqrt() * positive
