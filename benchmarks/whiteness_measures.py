"""Three numbers for what the eye sees in noise that is not white. All take (1, channels, rows, columns)."""

import torch
from torch import Tensor

from preconditioning.cosine_transform import cosine_transform

BANDS = 8


def lag_one(x: Tensor) -> float:
    """Correlation of neighbours, the mean of rows and columns; each channel about its mean. White: 0."""
    x = x - x.mean((-2, -1), keepdim=True)
    beside, below = (x[..., 1:] * x[..., :-1]).mean(), (x[..., 1:, :] * x[..., :-1, :]).mean()
    return float((beside + below) / 2 / x.square().mean())


def band_ratio(x: Tensor) -> float:
    """Power of the strongest over that of the weakest of `BANDS` equally wide rings of the cosine transform. White: 1.

    Corners, beyond the highest frequency of a row, are left out.
    """
    power = cosine_transform(x).square().mean((0, 1))
    rows, columns = (torch.arange(side) / side for side in power.shape)
    ring = (torch.hypot(rows[:, None], columns) * BANDS).long()
    means = torch.stack([power[ring == band].mean() for band in range(BANDS)])
    return float(means.max() / means.min())


def centre_to_edge(x: Tensor) -> float:
    """Power of the middle quarter of each side over that of the outer eighths. White: 1."""
    power = x.square().mean((0, 1))
    height, width = power.shape
    middle = power[3 * height // 8 : 5 * height // 8, 3 * width // 8 : 5 * width // 8]
    edge = torch.ones_like(power, dtype=torch.bool)
    edge[height // 8 : height - height // 8, width // 8 : width - width // 8] = False
    return float(middle.mean() / power[edge].mean())
