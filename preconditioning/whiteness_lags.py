"""How alike white noise is to itself, shifted and mirrored: every shift at once, by FFT."""

import math

import torch

# Which of the last two axes a mirror turns round.
MIRRORS: dict[str, tuple[int, ...]] = {
    "shifted": (),
    "mirrored left to right": (-1,),
    "mirrored top to bottom": (-2,),
    "turned by half": (-2, -1),
}


def likeness(planes: torch.Tensor, mirrored: tuple[int, ...] = ()) -> tuple[torch.Tensor, torch.Tensor]:
    """Compare planes with themselves, at every cyclic shift of planes, rows and columns.

    Args:
        planes: (planes, height, width), float, of mean 0; nearly the same mean square for each.
        mirrored: axes of the second of the two that are turned round, out of `MIRRORS`.

    Returns:
        two tensors of the shape of `planes`: the correlation at every shift, and how many standard deviations of white
        noise it is from what white noise has there; 0 where everything is compared with itself.
    """
    spectrum = torch.fft.rfftn(planes)
    other = torch.fft.rfftn(planes.flip(mirrored)) if mirrored else spectrum
    products = torch.fft.irfftn(spectrum * other.conj(), s=planes.shape)
    energy = planes.square().sum().clamp_min(torch.finfo(planes.dtype).tiny)
    mean, spread = _chance(tuple(planes.shape), mirrored)
    correlation = products / energy
    deviations = (correlation * planes.numel() - mean) / spread
    return correlation, torch.where(mean == planes.numel(), 0, deviations)


def _chance(shape: tuple[int, ...], mirrored: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation, for N(0, 1), of the sum over i of x_i x_j(i), at every shift of `shape`.

    Where j is its own inverse each product counts twice; elements that it leaves in place add their squares.
    """
    in_place, twice = torch.ones(()), torch.ones((), dtype=torch.bool)
    for axis, size in zip(range(-len(shape), 0), shape, strict=True):
        shifts, places = torch.arange(size), torch.arange(size)[:, None]
        if axis in mirrored:
            own = ((size - 1 - places + shifts) % size == places).sum(0).float()
            back = torch.ones(size, dtype=torch.bool)
        else:
            own = torch.where(shifts == 0, float(size), 0.0)
            back = 2 * shifts % size == 0
        in_place, twice = in_place[..., None] * own, twice[..., None] & back
    count = float(math.prod(shape))
    return in_place, torch.where(twice, 2 * count, count).sqrt()


def most_alike_planes(planes: torch.Tensor) -> tuple[int, int, float]:
    """Of two or more planes (planes, ...) of mean 0 the two that are most alike, and their correlation."""
    rows = torch.nn.functional.normalize(planes.flatten(1), dim=1)
    alike = (rows @ rows.T).triu(1)
    first, second = divmod(int(alike.abs().argmax()), len(planes))
    return first, second, float(alike[first, second])
