"""The set of vectors that look like white Gaussian noise, and the nearest point of that set.

GPER, "Gradient Preconditioning for Efficient and Reliable Reward-Guided Generation"
(arXiv 2602.08646). The compact spectrum y of a sample is cut into contiguous blocks of `block_size`
bins. The feasible set is

    G = { x : ||y_b||_1 = (sqrt(pi) / 2) L_b  and  ||y_b||_2^2 = L_b  for every block b of length L_b },

what CN(0, 1) has on average: the 2-norms fix the energy, the 1-norms keep any frequency from dominating.

The projection, argmin ||z - x|| subject to z in G, is closed-form block by block. Phases stay; the k
largest magnitudes w are mapped affinely onto the two targets and the others become zero. With t the
1-norm target, and S1, S2 the sums of the kept w and w^2,

    a_j = t/k + (w_j - S1/k) sqrt((L - t^2/k) / (S2 - S1^2/k)),

for the largest k whose smallest a_j is positive. Since (w - c)_+ has a ratio ||.||_1^2 / ||.||_2^2 that
only falls as c grows, a bin that this map sends below zero for some superset of the kept bins is not
kept in the end either. So no sort is needed: start with every bin, drop those at or below zero, repeat.
More than (pi/4) L bins always stay, hence at most 4 rounds for 16 bins; 9 of 10 blocks of white noise need one.
"""

import math

import torch

from .block_magnitudes import ROUNDING_MARGIN, looks_are_cheap, nearest_bins
from .checked_rows import unit_scale, white_rows
from .spectral_blocks import BLOCK_SIZE, EqualBlocks, spectral_blocks
from .spectrum import compact_spectrum, pack_real_bins_, unpack_real_bins_

# Below this relative spread, the rounding of a block's mean shows in the block's norms.
_NEAR_TIE = 0.05


def _project_blocks_(y: torch.Tensor, group: EqualBlocks, rounding: torch.Tensor) -> None:
    """Move every block of `group` in the compact spectrum `y` (batch, bins) to its nearest point, in place.

    Works on real and imaginary parts, since complex times real makes a complex copy of the real factor.
    """
    blocks = group.of(y)
    re, im = blocks.real, blocks.imag
    length = group.length

    # Almost every block keeps all its bins, so that case is done for all of them at once ...
    w = torch.hypot(re, im)
    mean, smallest = w.mean(-1, keepdim=True), w.amin(-1, keepdim=True)
    centred = w - mean
    spread = torch.linalg.vector_norm(centred, dim=-1, keepdim=True)
    gain = group.spread(length) / spread
    a = centred.mul_(gain).add_(group.one_norm / length)

    # ... and the blocks with bins to drop, near ties or bins without a phase are done again, with care.
    tie = rounding[:, None, None] + ROUNDING_MARGIN * torch.finfo(w.dtype).eps * mean
    keeps_all = group.one_norm / length + (smallest - mean) * gain > 0
    near_tie = spread <= math.sqrt(length) * torch.maximum(tie, _NEAR_TIE * mean)
    again = ~keeps_all | near_tie | (smallest <= tie)
    bins = torch.arange(length, device=y.device)
    if looks_are_cheap(y.device):
        sample, block = torch.nonzero(again.squeeze(-1), as_tuple=True)
        kept = (a[sample, block] > 0) | near_tie[sample, block]
        index = group.start + block[:, None] * length + bins
        special = nearest_bins(
            re[sample, block], im[sample, block], kept, index, y.shape[-1], group, tie[sample, block]
        )
        ratio = a.div_(w)
        for part, projected in zip((re, im), special, strict=True):
            part.mul_(ratio)
            part[sample, block] = projected
    else:  # with care for all blocks: less than the wait for their number
        index = group.start + torch.arange(group.count, device=y.device)[:, None] * length + bins
        special = nearest_bins(re, im, (a > 0) | near_tie, index, y.shape[-1], group, tie)
        ratio = a.div_(w)
        for part, projected in zip((re, im), special, strict=True):
            part.copy_(torch.where(again, projected, part * ratio))


@torch.no_grad()
def project_white_gaussian(x: torch.Tensor, block_size: int = BLOCK_SIZE, check_finite: bool = True) -> torch.Tensor:
    """Nearest vector that looks like white Gaussian noise, for each sample: argmin_z ||z - x|| s.t. z in G.

    Each sample is projected alone onto the set G of the module docstring. The compact spectrum of the sample,
    flattened in C order, is cut into blocks of `block_size` bins; bins left over form a shorter last block, a
    single one joins the block before it. The result has ||z||^2 = N per sample whatever the scale of `x`: only
    the direction of `x` matters.

    The same input gives the same output. Where the nearest point is not unique (magnitudes of a block that
    are equal to the FFT's rounding, as in an impulse, or bins without a phase) a fixed one is returned. A
    zero sample is as far from every member of G; the result is finite and fixed, but tells nothing about
    it, so callers skip zero gradients (`WhiteGaussianProjector` keeps them zero).

    Args:
        x: real, shape (batch, ...), any floating dtype and device, an even number N >= 4 of elements per
            sample. Not changed. No gradient flows through the projection.
        block_size: bins per block, at least 2. The paper uses 16.
        check_finite: refuse NaN and infinite values, for which the host waits for an accelerator. Without the
            check such a sample becomes NaN.

    Returns:
        new tensor of the shape, dtype and device of `x`. float16 and bfloat16 are worked on in float32, and
        their own rounding is then all that separates the result from G.

    Raises:
        ValueError: for an odd N, N < 4, NaN or infinite values, a missing batch dimension, an empty batch,
            integer or complex `x`, or a `block_size` below 2.

    References:
        GPER, arXiv 2602.08646, the set and its closed-form projection; Liu, Wang and Song, "Projections onto the
        Intersection of a One-Norm Ball or Sphere and a Two-Norm Ball or Sphere", JOTA 2020 (arXiv 1911.03946).
    """
    rows = unit_scale(white_rows(x, block_size), check_finite)
    rms = torch.linalg.vector_norm(rows, dim=-1) / math.sqrt(rows.shape[-1])
    rounding = ROUNDING_MARGIN * torch.finfo(rows.dtype).eps * rms
    spectrum = torch.fft.rfft(rows, norm="ortho")
    y = pack_real_bins_(spectrum)
    for group in spectral_blocks(y.shape[-1], block_size):
        _project_blocks_(y, group, rounding)
    z = torch.fft.irfft(unpack_real_bins_(spectrum), n=rows.shape[-1], norm="ortho")
    return z.to(x.dtype).reshape(x.shape)


@torch.no_grad()
def block_norm_deviations(x: torch.Tensor, block_size: int = BLOCK_SIZE) -> tuple[torch.Tensor, torch.Tensor]:
    """Relative distance of every block's two norms from what white noise has on average.

    Args:
        x: real, shape (batch, ...), as for `project_white_gaussian`.
        block_size: bins per block.

    Returns:
        two tensors (batch, blocks), float32 (float64 for float64 input):
        ||y_b||_1 / ((sqrt(pi)/2) L_b) - 1 and ||y_b||_2^2 / L_b - 1. Both are 0 on the set.

    Raises:
        ValueError: as `project_white_gaussian`, except that NaN and infinite values pass through.
    """
    magnitudes = compact_spectrum(white_rows(x, block_size)).abs()
    one_norms, energies = [], []
    for group in spectral_blocks(magnitudes.shape[-1], block_size):
        blocks = group.of(magnitudes)
        one_norms.append(blocks.sum(-1) / group.one_norm - 1)
        energies.append(blocks.square().sum(-1) / group.energy - 1)
    return torch.cat(one_norms, -1), torch.cat(energies, -1)


def draw_white_gaussian(
    shape: tuple[int, ...],
    block_size: int = BLOCK_SIZE,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """Draw members of the set G: white Gaussian noise, projected.

    Args:
        shape: (batch, ...), an even number of elements per sample.
        block_size: bins per block.
        generator: source of the noise; the noise is drawn on its device, so that a CPU generator gives the
            same members on every device.
        dtype: floating dtype of the result.
        device: device of the result.

    Returns:
        tensor of `shape`, `dtype` and `device`.
    """
    source = generator.device if generator is not None else device
    working = torch.float64 if dtype == torch.float64 else torch.float32
    noise = torch.randn(shape, generator=generator, dtype=working, device=source).to(device)
    return project_white_gaussian(noise, block_size).to(dtype)
