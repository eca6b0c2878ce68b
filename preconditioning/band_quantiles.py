"""How far the spectrum of true white noise strays: central intervals of band energies and block magnitudes."""

import math
from functools import lru_cache

import torch

_MOST_SIMULATED_BINS = 256
_SIMULATED_BLOCKS = 100_000


def check_confidence(confidence: float) -> None:
    """Raise ValueError unless `confidence` is from 0.5 to 0.999."""
    if not 0.5 <= confidence <= 0.999:
        raise ValueError(f"the confidence is {confidence}: set it between 0.5 and 0.999 (0.99 is usual)")


@lru_cache(maxsize=64)
def energy_intervals(bins: tuple[int, ...], confidence: float) -> torch.Tensor:
    """Where the energy of a band lies with probability `confidence`, both tails alike.

    A band of n bins of CN(0, 1) has the energy ||y||_2^2 ~ Gamma(n, 1).

    Args:
        bins: of each band; 0 for a band that is not there.
        confidence: see `check_confidence`.

    Returns:
        (2, len(bins)) float64, on the CPU: lower and upper ends; zero for a band that is not there.
    """
    n = torch.tensor(bins, dtype=torch.float64)
    ends = []
    for probability in ((1 - confidence) / 2, (1 + confidence) / 2):
        low, high = torch.zeros_like(n), 2 * n + 40
        for _ in range(60):  # bisection
            middle = (low + high) / 2
            below = torch.special.gammainc(n.clamp_min(1), middle) < probability
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        ends.append(torch.where(n > 0, high, 0))
    return torch.stack(ends)


@lru_cache(maxsize=64)
def magnitude_interval(bins: int, confidence: float) -> tuple[float, float]:
    """Where the mean magnitude of a block of `bins` bins lies, its energy brought to 1 per bin.

    For CN(0, 1) this ratio ||y||_1 / sqrt(bins ||y||_2^2) and the energy are independent, since direction and
    length of a Gaussian vector are. Its distribution has no simple form: it is simulated, with a fixed seed, for
    up to 256 bins, and nearly normal beyond, with variance (1 - 5 pi / 16) / bins by the delta method.
    """
    tail = (1 - confidence) / 2
    if bins > _MOST_SIMULATED_BINS:
        width = math.sqrt((1 - 5 * math.pi / 16) / bins) * torch.special.ndtri(torch.tensor(1 - tail)).item()
        return math.sqrt(math.pi) / 2 - width, math.sqrt(math.pi) / 2 + width
    generator = torch.Generator().manual_seed(0)
    at_once = max(1, (1 << 20) // bins)
    ratios = []
    for start in range(0, _SIMULATED_BLOCKS, at_once):
        count = min(at_once, _SIMULATED_BLOCKS - start)
        y = torch.randn(count, bins, 2, generator=generator).square_().sum(-1)
        ratios.append(y.sqrt().mean(-1) / y.mean(-1).sqrt())
    ratios = torch.cat(ratios).sort().values
    low, high = int(tail * _SIMULATED_BLOCKS), int((1 - tail) * _SIMULATED_BLOCKS)
    return ratios[low].item(), ratios[high].item()
