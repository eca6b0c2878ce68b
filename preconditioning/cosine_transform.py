"""The orthonormal cosine transform of rows and columns, and of frames: DCT-II.

Ahmed, Natarajan and Rao 1974, "Discrete cosine transform". Being orthonormal, it keeps white noise white and distances
as they are. Written as a product with the transform's matrix: for the sides of a latent that is faster than an FFT.
"""

import math
from functools import lru_cache

import torch

_CACHED_SIDES = 16


def cosine_transform(x: torch.Tensor, axes: tuple[int, ...] = (-2, -1)) -> torch.Tensor:
    """Orthonormal DCT-II of `x`, float32 or float64, along `axes`; by default the last two. A new tensor."""
    for axis in axes:
        x = (_cosines(x.shape[axis], x.dtype, x.device) @ x.movedim(axis, -2)).movedim(-2, axis)
    return x


def from_cosine_transform(coefficients: torch.Tensor, axes: tuple[int, ...] = (-2, -1)) -> torch.Tensor:
    """Inverse of `cosine_transform`: its transpose."""
    for axis in axes:
        matrix = _cosines(coefficients.shape[axis], coefficients.dtype, coefficients.device)
        coefficients = (matrix.T @ coefficients.movedim(axis, -2)).movedim(-2, axis)
    return coefficients


@lru_cache(_CACHED_SIDES)
@torch.inference_mode(False)
def _cosines(length: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """The transform's matrix (length, length), row k: sqrt(2 / n) cos(pi k (j + 1/2) / n), row 0 sqrt(1 / n)."""
    n = torch.arange(length, dtype=torch.float64)
    matrix = math.sqrt(2 / length) * torch.cos(math.pi / length * n[:, None] * (n + 0.5))
    matrix[0] = math.sqrt(1 / length)
    return matrix.to(dtype).to(device)
