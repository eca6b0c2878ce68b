"""The compact spectrum: a bijection between R^N and C^(N/2) that keeps white noise white.

GPER, "Gradient Preconditioning for Efficient and Reliable Reward-Guided Generation"
(arXiv 2602.08646). With f = rfft(x), orthonormal, f_0 and f_(N/2) are real; packing them into the one
complex number (f_0 + i f_(N/2)) / sqrt(2) leaves N/2 complex numbers y with

    ||x||^2 = 2 ||y||^2      and      x ~ N(0, I_N)  exactly when  y ~ CN(0, I_(N/2)).

Distances agree up to the factor sqrt(2), so the nearest point in one domain is the nearest in the other.
"""

import math

import torch


def pack_real_bins_(spectrum: torch.Tensor) -> torch.Tensor:
    """Pack the two real bins of `spectrum` = rfft(x), (..., N/2 + 1), in place; the view (..., N/2) of y."""
    last = spectrum[..., -1].real
    first = torch.view_as_real(spectrum)[..., 0, :]
    first[..., 1] = last
    first.mul_(math.sqrt(0.5))
    return spectrum[..., :-1]


def unpack_real_bins_(spectrum: torch.Tensor) -> torch.Tensor:
    """Undo `pack_real_bins_` in place; the spectrum (..., N/2 + 1) that irfft takes."""
    spectrum[..., -1] = spectrum[..., 0].imag * math.sqrt(2)
    spectrum[..., 0] = spectrum[..., 0].real * math.sqrt(2)
    return spectrum


def compact_spectrum(x: torch.Tensor) -> torch.Tensor:
    """Compact spectrum of each row.

    Args:
        x: real, shape (..., N), N even, float32 or float64. No scale is assumed.

    Returns:
        complex, shape (..., N/2), complex64 or complex128 after `x.dtype`, on `x.device`, in units of `x`.

    Raises:
        ValueError: if N is odd or zero, so that there is no real bin at N/2 to pack.
    """
    length = x.shape[-1]
    if length == 0 or length % 2:
        raise ValueError(
            f"a compact spectrum needs an even number of elements, got {length}; "
            f"{max(2, length - 1)} or {max(4, length + 1)} would work"
        )
    return pack_real_bins_(torch.fft.rfft(x, norm="ortho"))


def from_compact_spectrum(y: torch.Tensor) -> torch.Tensor:
    """Inverse of `compact_spectrum`.

    Args:
        y: complex, shape (..., N/2), complex64 or complex128.

    Returns:
        real, shape (..., N), float32 or float64 after `y.dtype`, on `y.device`.
    """
    spectrum = torch.nn.functional.pad(y, (0, 1))
    return torch.fft.irfft(unpack_real_bins_(spectrum), n=2 * y.shape[-1], norm="ortho")
