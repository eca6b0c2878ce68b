"""Which spectrum of a latent is held white: of the flattened sample, of each channel, or of the whole volume.

All three map real noise one to one to complex bins with the property of `compact_spectrum`, in any number of
dimensions: x ~ N(0, I) exactly when y ~ CN(0, I), and ||x||^2 = 2 ||y||^2, so the nearest point in one
domain is the nearest in the other. They differ in which bins are neighbours and so share a block:

    flat          the paper's: one FFT over the sample in C order. Neighbouring bins differ in channel and
                  vertical frequency.
    per channel   a 2-D FFT of every channel, bins in order of spatial frequency whatever its direction: a
                  block is part of a ring in one channel, and every channel keeps its own energy.
    volume        one FFT over channels, rows and columns (and frames), bins in order of 3-D frequency.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import torch

from .spectrum import pack_real_bins_, unpack_real_bins_


class Spectrum(Protocol):
    """A bijection between noise and complex bins.

    row: what one row is, for messages.
    """

    row: str

    def split(self, noise: torch.Tensor) -> torch.Tensor:
        """View of `noise` (batch, ...) as what is white on its own: (rows, ...). ValueError for too few dimensions."""
        ...

    def bins(self, rows: torch.Tensor) -> tuple[torch.Tensor, Callable[[], torch.Tensor]]:
        """The bins (rows, count) of such rows, of an even number of elements, and the way back.

        The bins may be changed in place; the function, called once, then gives the rows that have them.
        """
        ...


class FlatSpectrum:
    """The compact spectrum of the flattened sample."""

    row = "sample"

    def split(self, noise: torch.Tensor) -> torch.Tensor:
        return noise.reshape(noise.shape[0], -1)

    def bins(self, rows: torch.Tensor) -> tuple[torch.Tensor, Callable[[], torch.Tensor]]:
        spectrum = torch.fft.rfft(rows, norm="ortho")
        y = pack_real_bins_(spectrum)
        return y, lambda: torch.fft.irfft(unpack_real_bins_(spectrum), n=rows.shape[-1], norm="ortho")


@dataclass(frozen=True)
class RadialSpectrum:
    """An orthonormal FFT over all dimensions of a row, its bins in order of radial frequency.

    dimensions: how many of the last dimensions make a row; None for all but the batch.
    """

    dimensions: int | None
    row: str

    def split(self, noise: torch.Tensor) -> torch.Tensor:
        if self.dimensions is None:
            return noise
        if noise.dim() <= self.dimensions:
            raise ValueError(f"the spectrum of a {self.row} needs noise of shape (batch, ..., height, width), "
                             f"got {tuple(noise.shape)}; use the flat spectrum")
        return noise.flatten(0, noise.dim() - 1 - self.dimensions)

    def bins(self, rows: torch.Tensor) -> tuple[torch.Tensor, Callable[[], torch.Tensor]]:
        shape = rows.shape[1:]
        dim = tuple(range(1, rows.dim()))
        layout = half_spectrum_layout(shape, rows.device)
        half = torch.fft.rfftn(rows, dim=dim, norm="ortho")
        flat = half.flatten(1)
        y = flat[:, layout.bins]
        y[:, layout.real_pairs] = torch.complex(flat[:, layout.first].real, flat[:, layout.second].real) / math.sqrt(2)

        def back() -> torch.Tensor:
            flat = torch.empty_like(half).flatten(1)
            flat[:, layout.bins] = y
            real = y[:, layout.real_pairs] * math.sqrt(2)
            flat[:, layout.first], flat[:, layout.second] = real.real.to(y.dtype), real.imag.to(y.dtype)
            flat[:, layout.mirror] = flat[:, layout.mirrored].conj()
            return torch.fft.irfftn(flat.view_as(half), s=shape, dim=dim, norm="ortho")

        return y, back


SPECTRA: dict[str, Spectrum] = {
    "flat": FlatSpectrum(),
    "per channel": RadialSpectrum(2, "channel"),
    "volume": RadialSpectrum(None, "sample"),
}


def named_spectrum(name: str) -> Spectrum:
    """The spectrum of that name, or ValueError."""
    if name not in SPECTRA:
        raise ValueError(f"there is no spectrum {name!r}; choose one of {', '.join(SPECTRA)}")
    return SPECTRA[name]


@dataclass(frozen=True)
class HalfSpectrumLayout:
    """Which elements of a flattened rfftn output say something of their own.

    A real signal has Y[-k] = conj Y[k]. In the half that rfftn keeps, that still ties bins whose last index
    is 0 or Nyquist; those that are their own mirror image are real. Two real bins make one complex one.

    bins: (N/2,) one of every mirrored pair and the first of every pair of real bins, by radial frequency.
    real_pairs: places in `bins` that hold a pair of real bins. first, second: those real bins.
    mirror, mirrored: bins that repeat others, and the ones they are the conjugates of.
    """

    bins: torch.Tensor
    real_pairs: torch.Tensor
    first: torch.Tensor
    second: torch.Tensor
    mirror: torch.Tensor
    mirrored: torch.Tensor


@lru_cache(maxsize=16)
def half_spectrum_layout(shape: torch.Size, device: torch.device) -> HalfSpectrumLayout:
    """The layout for real signals of `shape`, an even number of elements, with its indices on `device`."""
    half_shape = (*shape[:-1], shape[-1] // 2 + 1)
    index = torch.meshgrid(*(torch.arange(n) for n in half_shape), indexing="ij")
    # In cycles per element, negative above the middle.
    radius = sum((torch.where(i > n // 2, i - n, i) / n).square() for i, n in zip(index, shape, strict=True)).flatten()
    own = torch.arange(radius.numel())
    mirrored = _flat_index([(-i) % n for i, n in zip(index, shape, strict=True)], half_shape)
    in_half = ((-index[-1]) % shape[-1] < half_shape[-1]).flatten()

    real = torch.nonzero(in_half & (mirrored == own)).flatten()
    first, second = real[radius[real].argsort(stable=True)].view(-1, 2).unbind(1)
    alone = torch.nonzero(~in_half | (mirrored > own)).flatten()
    bins = torch.cat([first, alone])
    bins = bins[radius[bins].argsort(stable=True)]
    place = torch.empty_like(own)
    place[bins] = torch.arange(bins.numel())
    mirror = torch.nonzero(in_half & (mirrored < own)).flatten()
    tensors = (bins, place[first], first, second, mirror, mirrored[mirror])
    return HalfSpectrumLayout(*(tensor.to(device) for tensor in tensors))


def _flat_index(index: list[torch.Tensor], shape: tuple[int, ...]) -> torch.Tensor:
    flat = torch.zeros_like(index[0])
    for i, n in zip(index, shape, strict=True):
        flat = flat * n + i
    return flat.flatten()
