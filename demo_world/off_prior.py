"""Noise that is no longer white: what a generator was not made for."""

import torch
import torch.nn.functional as F

STRIPE_PERIOD = 4.0  # columns
STRIPE_AMPLITUDE = 2.5
LOUDNESS = 1.3


def _renormalised(noise: torch.Tensor) -> torch.Tensor:
    size = noise[0].numel() ** 0.5
    return noise * (size / noise.flatten(1).norm(dim=1))[:, None, None, None]


def blurred(noise: torch.Tensor) -> torch.Tensor:
    """(B, C, H, W) noise, every channel averaged over 3 x 3 and brought back to norm sqrt(N)."""
    return _renormalised(F.avg_pool2d(noise, 3, 1, 1))


def striped(noise: torch.Tensor) -> torch.Tensor:
    """(B, C, H, W) noise plus a sinusoid across the columns, brought back to norm sqrt(N)."""
    column = torch.arange(noise.shape[-1], device=noise.device, dtype=noise.dtype) + 0.5
    return _renormalised(noise + STRIPE_AMPLITUDE * torch.sin(2 * torch.pi / STRIPE_PERIOD * column))


def loud(noise: torch.Tensor) -> torch.Tensor:
    """1.3 times the noise."""
    return LOUDNESS * noise


CORRUPTIONS = {"blurred": blurred, "striped": striped, "1.3x": loud}
