"""Channels of noise, mixed so that no feature of a picture hangs on one coordinate, and a bound for features."""

import torch


def hadamard(size: int) -> torch.Tensor:
    """The (size, size) orthonormal Hadamard matrix, `size` a power of two (Sylvester's construction)."""
    matrix = torch.ones(1, 1)
    while len(matrix) < size:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    return matrix / size**0.5


def mixed(noise: torch.Tensor) -> torch.Tensor:
    """(B, 16, H, W) -> that shape, an orthonormal map of the channels: white noise stays white."""
    return torch.einsum("oc,bchw->bohw", hadamard(16).to(noise), noise)


def bounded(values: torch.Tensor) -> torch.Tensor:
    """Into [-1, 1], by a sine: standard normal values spread over all of it, and larger ones ask for nothing more."""
    return torch.sin(1.2 * values)
