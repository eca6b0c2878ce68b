"""Noise of any of three sizes as a composition, which all sizes share, and a remainder, from which detail comes.

The composition is the part of the noise in a space of smooth functions over the 8 x 8 cells of the picture: linear
splines, made orthonormal symmetrically (Battle 1987; Lemarie 1988) with the noise continued by reflection. So it is
white where the noise is. The splines are short, four fifths of one lie in its own cell, which a network can learn; and
they are low frequencies, so that noise whose low frequencies are those of a smaller one has nearly its composition.
"""

from functools import cache

import torch

CELLS = 8  # along each side, whatever the size
SCALES = (1, 2, 4)  # latent pixels along the side of a cell
CHANNELS = 16


def shape_of(scale: int) -> tuple[int, int, int]:
    """Of the noise and the latent of one picture."""
    return CHANNELS, CELLS * scale, CELLS * scale


def scale_of(tensor: torch.Tensor, name: str = "noise") -> int:
    """How many pixels of a latent (B, 16, 8k, 8k) make up the side of a cell: k, one of `SCALES`.

    Raises:
        ValueError: another shape; it is named as that of `name`.
    """
    scale = next((s for s in SCALES if tensor.ndim == 4 and tuple(tensor.shape[1:]) == shape_of(s)), None)
    if scale is not None:
        return scale
    shapes = " or ".join(str(("B", *shape_of(s))).replace("'", "") for s in SCALES)
    pixels = " or ".join(str(64 * s) for s in SCALES)
    raise ValueError(f"{name} must be {shapes}, for pictures of {pixels} pixels; got {tuple(tensor.shape)}")


@cache
def _splines(scale: int) -> torch.Tensor:
    """(8, 8 * scale) float64, orthonormal rows: the spline of each cell at the pixels of the latent."""
    length = CELLS * scale
    place = (torch.arange(length, dtype=torch.float64) + 0.5) / scale
    centre = torch.arange(CELLS, dtype=torch.float64)[:, None] + 0.5
    # A hat about every centre, and about its mirror images beyond both ends.
    distances = torch.stack([place - centre, place + centre, place + centre - 2 * CELLS]).abs()
    hats = (1 - distances).clamp_min(0).sum(0)
    values, vectors = torch.linalg.eigh(hats @ hats.T)
    return (vectors * values.rsqrt()) @ vectors.T @ hats


def composition(noise: torch.Tensor) -> torch.Tensor:
    """(B, 16, 8k, 8k) noise -> (B, 16, 8, 8), white if the noise is. For k = 1 the noise itself."""
    scale = scale_of(noise)
    if scale == 1:
        return noise
    splines = _splines(scale).to(noise)
    return splines @ noise @ splines.T


def remainder(noise: torch.Tensor) -> torch.Tensor:
    """What the composition leaves of the noise, orthogonal to it: of that shape. For k = 1 zero."""
    scale = scale_of(noise)
    if scale == 1:
        return torch.zeros_like(noise)
    return noise - _spread(composition(noise), scale)


def enlarged(noise: torch.Tensor, scale: int, generator: torch.Generator | None = None) -> torch.Tensor:
    """Noise (B, 16, 8k, 8k) of that k, white if `noise` is, with exactly its composition; the rest is drawn.

    Raises:
        ValueError: a scale that is none of `SCALES`, or noise of another shape.
    """
    if scale not in SCALES:
        raise ValueError(f"scale must be one of {', '.join(map(str, SCALES))}; got {scale}")
    drawn = torch.randn(len(noise), *shape_of(scale), generator=generator).to(noise)
    return remainder(drawn) + _spread(composition(noise), scale)


def _spread(cells: torch.Tensor, scale: int) -> torch.Tensor:
    """The smooth (B, 16, 8k, 8k) whose composition this is."""
    splines = _splines(scale).to(cells)
    return splines.T @ cells @ splines
