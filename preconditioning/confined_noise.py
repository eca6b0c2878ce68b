"""White noise by intervals instead of equalities: what true white noise does with 99 % probability, noise may do.

`project_white_gaussian` asks of every block the norms that white noise has on average, so it moves true white
noise too (cosine 0.99). Here the feasible set is, for a confidence c,

    H = { x : the energy of every band lies in its central interval of probability c, and so does the mean
              magnitude of every block, its energy brought to 1 per bin },

where the bands are the blocks, pairs of neighbouring blocks, pairs of those, and so on up to the whole
spectrum. Intervals of the blocks alone would leave a coarse hole: half of the blocks at their upper, half at
their lower end is no white noise. The two conditions are independent for white noise, see `band_quantiles`.
"""

import dataclasses
from functools import lru_cache

import torch

from .band_quantiles import check_confidence, energy_intervals, magnitude_interval
from .block_magnitudes import ROUNDING_MARGIN, nearest_bins
from .spectra import named_spectrum
from .spectral_blocks import BLOCK_SIZE, EqualBlocks, spectral_blocks
from .white_rows import unit_scale, white_rows


@torch.no_grad()
def confine_white_gaussian(x: torch.Tensor, confidence: float = 0.99, block_size: int = BLOCK_SIZE,
                           spectrum: str = "flat") -> torch.Tensor:
    """Bring each sample into the set H of the module docstring; a member of H comes back as it was.

    A retraction, not the nearest point: energies are settled first, from the whole spectrum down, a band's
    energy being shared among its halves in proportion and clipped; then the bins of each block go to the
    nearest ones of that energy whose mean magnitude is allowed. True white noise is outside in one band out
    of a hundred, by little, for a confidence of 0.99.

    The scale of `x` matters, other than for `project_white_gaussian`: N(0, 1) is meant.

    Args:
        x: real, shape (batch, ...), an even number of elements per sample. Not changed, carries no gradient.
        confidence: probability of each interval, 0.5 to 0.999.
        block_size: bins per block, at least 2.
        spectrum: "flat", "per channel" or "volume", see `spectra`.

    Returns:
        new tensor of the shape, dtype and device of `x`.

    Raises:
        ValueError: for a confidence out of range; else as `project_white_gaussian`.
    """
    check_confidence(confidence)
    kind = named_spectrum(spectrum)
    rows = white_rows(x, block_size, kind)
    scale = rows.flatten(1).abs().mean(1)
    rows = unit_scale(rows, kind)
    y, back = kind.bins(rows)
    groups = spectral_blocks(y.shape[-1], block_size)
    before = torch.cat([group.of(y).abs().square().sum(-1) for group in groups], -1)
    after = _settled_energies(before, scale, groups, confidence)
    rms = (before.sum(-1) / y.shape[-1]).sqrt()
    start = 0
    for group in groups:
        stop = start + group.count
        _confine_blocks_(y, group, before[:, start:stop], after[:, start:stop], rms, confidence)
        start = stop
    return back().to(x.dtype).reshape(x.shape)


def _settled_energies(before: torch.Tensor, scale: torch.Tensor, groups: list[EqualBlocks],
                      confidence: float) -> torch.Tensor:
    """Energies (rows, blocks) of blocks inside the intervals of every band, near `before` times scale^2."""
    levels = _band_levels(tuple(groups), confidence, before.device, before.dtype)
    bands = [torch.nn.functional.pad(before, (0, levels[-1][0].numel() - before.shape[1]))]
    for _ in levels[1:]:
        bands.append(bands[-1].unflatten(-1, (-1, 2)).sum(-1))
    _, low, high = levels[0]
    energy = (bands.pop() * scale[:, None].square()).clamp(low, high)
    for bins, low, high in levels[1:]:
        halves, bins = bands.pop().unflatten(-1, (-1, 2)), bins.view(-1, 2)
        whole = halves.sum(-1)
        share = torch.where(whole > 0, halves[..., 0] / whole, bins[:, 0] / bins.sum(-1).clamp_min(1))
        low, high = low.view(-1, 2), high.view(-1, 2)
        first = torch.minimum(torch.maximum(energy * share, torch.maximum(low[:, 0], energy - high[:, 1])),
                              torch.minimum(high[:, 0], energy - low[:, 1]))
        energy = torch.stack([first, energy - first], -1).flatten(1)
    return energy[:, :before.shape[1]]


@lru_cache(maxsize=16)
def _band_levels(groups: tuple[EqualBlocks, ...], confidence: float, device: torch.device,
                 dtype: torch.dtype) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Bins, lowest and highest energy of every band, from the whole spectrum to the blocks, a power of two of them."""
    lengths = [group.length for group in groups for _ in range(group.count)]
    level = [*lengths, *[0] * ((1 << (len(lengths) - 1).bit_length()) - len(lengths))]
    levels = []
    while True:
        low, high = energy_intervals(tuple(level), confidence).to(dtype).to(device)
        levels.append((torch.tensor(level, device=device, dtype=dtype), low, high))
        if len(level) == 1:
            return levels[::-1]
        level = [first + second for first, second in zip(level[::2], level[1::2], strict=True)]


def _confine_blocks_(y: torch.Tensor, group: EqualBlocks, before: torch.Tensor, after: torch.Tensor, rms: torch.Tensor,
                     confidence: float) -> None:
    """Give every block of `group` in `y` (rows, bins) its energy `after` and an allowed mean magnitude, in place."""
    blocks = group.of(y)
    re, im = blocks.real, blocks.imag
    rounding = ROUNDING_MARGIN * torch.finfo(rms.dtype).eps
    silent = before <= group.length * (rounding * rms[:, None]).square()
    gain = torch.where(silent, 0, (group.length / torch.where(silent, 1, before)).sqrt())
    mean = torch.hypot(re, im).mean(-1) * gain
    low, high = magnitude_interval(group.length, confidence)
    for end, outside in ((low, mean < low), (high, mean > high)):
        row, block = torch.nonzero(outside, as_tuple=True)
        if row.numel():
            index = group.start + block[:, None] * group.length + torch.arange(group.length, device=y.device)
            unit = gain[row, block][:, None]
            tie = rounding * (rms[row][:, None] * unit + 1)
            kept = torch.ones_like(index, dtype=torch.bool)
            re[row, block], im[row, block] = nearest_bins(
                re[row, block] * unit, im[row, block] * unit, kept, index, y.shape[-1],
                dataclasses.replace(group, mean_magnitude=end), tie)
            gain[row, block] = 1
    factor = (gain * (after / group.energy).sqrt())[..., None]
    re.mul_(factor)
    im.mul_(factor)
