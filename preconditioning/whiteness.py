"""How far noise has drifted from white Gaussian noise, in numbers that can be logged at every step."""

import math
from dataclasses import dataclass

import torch

from .spectral_blocks import BLOCK_SIZE
from .white_noise import block_norm_deviations


@dataclass(frozen=True)
class Whiteness:
    """Diagnostics per sample; every field is a (batch,) tensor, float32 (float64 for float64 noise).

    In brackets: the value for white noise of many elements N, then for a member of the projection's set.

    Attributes:
        relative_norm: ||x|| / sqrt(N) (1; 1).
        mean: mean of the elements (0 +- 1/sqrt(N)).
        variance: variance of the elements about their mean (1).
        excess_kurtosis: fourth central moment over the squared variance, less 3 (0 +- sqrt(24/N)).
            Positive: heavy tails, single large values.
        one_norm_deviation: largest | ||y_b||_1 / target - 1 | over the spectrum's blocks (some 0.4 to 0.6;
            0). See `project_white_gaussian` for the blocks and the targets.
        energy_deviation: largest | ||y_b||_2^2 / target - 1 | over the blocks (some 1 to 1.5; 0).
        spectral_flatness: geometric over arithmetic mean of the blocks' energies per bin, in [0, 1]
            (0.97 for blocks of 16; 1). 0: some band is empty.
        cosine_to_start: cosine between the noise and the start noise (1 at the start); NaN without one.
    """

    relative_norm: torch.Tensor
    mean: torch.Tensor
    variance: torch.Tensor
    excess_kurtosis: torch.Tensor
    one_norm_deviation: torch.Tensor
    energy_deviation: torch.Tensor
    spectral_flatness: torch.Tensor
    cosine_to_start: torch.Tensor


@torch.no_grad()
def measure_whiteness(
    noise: torch.Tensor, start: torch.Tensor | None = None, block_size: int = BLOCK_SIZE
) -> Whiteness:
    """Measure how white each sample is.

    Args:
        noise: real, shape (batch, ...), any floating dtype, an even number of elements per sample.
        start: the noise the ascent began with, of the same shape, for the cosine.
        block_size: bins per block of the spectrum.

    Returns:
        a `Whiteness` on the device of `noise`.

    Raises:
        ValueError: if `start` has another shape; else as `block_norm_deviations`.
    """
    if start is not None and start.shape != noise.shape:
        raise ValueError(
            f"the start noise must have the shape of the noise, {tuple(noise.shape)}, got {tuple(start.shape)}"
        )
    one_norm, energy = block_norm_deviations(noise, block_size)
    flat = noise.flatten(1).to(one_norm.dtype)
    mean = flat.mean(1)
    centred = flat - mean[:, None]
    variance = centred.square().mean(1)
    if start is None:
        cosine = torch.full_like(mean, math.nan)
    else:
        cosine = torch.nn.functional.cosine_similarity(flat, start.flatten(1).to(flat), dim=1)
    block_power = energy + 1
    return Whiteness(
        relative_norm=torch.linalg.vector_norm(flat, dim=1) / math.sqrt(flat.shape[1]),
        mean=mean,
        variance=variance,
        excess_kurtosis=centred.pow(4).mean(1) / variance.square() - 3,
        one_norm_deviation=one_norm.abs().amax(1),
        energy_deviation=energy.abs().amax(1),
        spectral_flatness=block_power.log().mean(1).exp() / block_power.mean(1),
        cosine_to_start=cosine,
    )
