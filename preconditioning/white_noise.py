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

from .spectral_blocks import BLOCK_SIZE, EqualBlocks, check_block_size, spectral_blocks
from .spectrum import compact_spectrum, pack_real_bins_, unpack_real_bins_

# Magnitudes this many roundings of the sample's RMS apart, or from zero, are equal as far as an FFT can tell.
_ROUNDING_MARGIN = 8.0

# Below this relative spread, the rounding of a block's mean shows in the block's norms.
_NEAR_TIE = 0.05


def _flat_samples(x: torch.Tensor, block_size: int) -> torch.Tensor:
    """Check `x` and return its samples as rows of the working dtype.

    Half precision is worked on in float32; float32 and float64 stay, so that devices without float64 work.
    """
    check_block_size(block_size)
    if not x.is_floating_point():
        raise ValueError(f"the noise must be a real floating-point tensor, got {x.dtype}; "
                         "convert it to float32 first")
    if x.dim() < 2:
        raise ValueError(f"the noise must have shape (batch, ...), got {tuple(x.shape)}; "
                         "use x.unsqueeze(0) for a single sample")
    if x.shape[0] == 0:
        raise ValueError(f"the noise must hold at least one sample, got {tuple(x.shape)}")
    length = math.prod(x.shape[1:])
    if length < 4 or length % 2:
        even = max(4, length - length % 2)
        works = f"{even} or {even + 2}" if length > 4 else "4 or more"
        raise ValueError(f"a sample needs an even number of elements, at least 4, got {length} from shape "
                         f"{tuple(x.shape)}; {works} would work (make the latent's width or height even)")
    working = torch.float64 if x.dtype == torch.float64 else torch.float32
    return x.reshape(x.shape[0], length).to(working)


def _unit_scale(flat: torch.Tensor) -> torch.Tensor:
    """Divide each row by its mean magnitude, so that nothing over- or underflows later.

    Rows of zeros, or of magnitudes below the smallest normal number, become zero.
    """
    magnitudes = flat.abs()
    scale = magnitudes.mean(-1, keepdim=True)
    finite = torch.isfinite(scale[:, 0])
    if not finite.all():
        rows = ", ".join(map(str, torch.nonzero(~finite)[:, 0].tolist()))
        raise ValueError(f"sample {rows} of the batch holds NaN, infinite or overflowing values, which "
                         "have no nearest white noise; lower the step size or compute in a higher precision")
    scale = torch.where(scale < torch.finfo(flat.dtype).tiny, math.inf, scale)
    return torch.div(flat, scale, out=magnitudes)


def _matched_magnitudes(w: torch.Tensor, kept: torch.Tensor, group: EqualBlocks, tie: torch.Tensor) -> torch.Tensor:
    """Nearest non-negative magnitudes that meet both targets of `group`.

    Args:
        w: magnitudes (rows, length).
        kept: bool (rows, length), the bins to start from: at least those that end up above zero.
        group: holds the targets.
        tie: (rows, 1), spread below which the kept magnitudes count as equal. All points that keep only
            those are then equally near; a falling ramp over them is taken.
    """
    while True:
        k = kept.sum(-1, keepdim=True).to(w.dtype)
        centred = (w - (w * kept).sum(-1, keepdim=True) / k) * kept
        # The mean's own rounding, which shows where the magnitudes are nearly equal.
        centred = (centred - centred.sum(-1, keepdim=True) / k) * kept
        tied = torch.linalg.vector_norm(centred, dim=-1, keepdim=True) <= tie * k.sqrt()
        ramp = ((k + 1) / 2 - kept.cumsum(-1)) * kept
        centred = torch.where(tied, ramp, centred)
        spread = torch.linalg.vector_norm(centred, dim=-1, keepdim=True)
        a = (group.one_norm / k + centred * (group.spread(k) / spread)) * kept
        dropped = kept & (a <= 0) & (k > group.fewest_bins)
        if not dropped.any():
            return a.clamp_min(0)
        kept = kept & ~dropped


def _project_special(re: torch.Tensor, im: torch.Tensor, kept: torch.Tensor, index: torch.Tensor, bins: int,
                     group: EqualBlocks, tie: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Nearest point of each row (rows, length), where bins may drop out, tie, or be zero and have no phase.

    A bin without a phase that has to grow gets the phase pi j^2 / bins of its index j: fixed, and spread so
    that a whole band of such bins adds up to a flat chirp instead of an impulse (Schroeder 1970, "Synthesis
    of low-peak-factor signals").
    """
    w = torch.hypot(re, im)
    silent = w <= tie
    if silent.any():
        chirp = (index * index % (2 * bins)).to(w.dtype) * (math.pi / bins)
        re, im = torch.where(silent, chirp.cos(), re), torch.where(silent, chirp.sin(), im)
    ratio = _matched_magnitudes(torch.where(silent, 0, w), kept, group, tie) / torch.where(silent, 1, w)
    return re * ratio, im * ratio


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
    tie = rounding[:, None, None] + _ROUNDING_MARGIN * torch.finfo(w.dtype).eps * mean
    keeps_all = group.one_norm / length + (smallest - mean) * gain > 0
    near_tie = spread <= math.sqrt(length) * torch.maximum(tie, _NEAR_TIE * mean)
    again = (~keeps_all | near_tie | (smallest <= tie)).squeeze(-1)
    sample, block = torch.nonzero(again, as_tuple=True)
    kept = (a[sample, block] > 0) | near_tie[sample, block]
    index = group.start + block[:, None] * length + torch.arange(length, device=y.device)
    special = _project_special(re[sample, block], im[sample, block], kept, index, y.shape[-1], group,
                               tie[sample, block])

    ratio = a.div_(w)
    for part, projected in zip((re, im), special, strict=True):
        part.mul_(ratio)
        part[sample, block] = projected


@torch.no_grad()
def project_white_gaussian(x: torch.Tensor, block_size: int = BLOCK_SIZE) -> torch.Tensor:
    """Nearest vector that looks like white Gaussian noise, for each sample: argmin_z ||z - x|| s.t. z in G.

    Each sample is flattened in C order and projected alone onto the set G of the module docstring. Its
    compact spectrum (`compact_spectrum`, orthonormal) is cut into blocks of `block_size` bins; bins left
    over form a shorter last block, a single one joins the block before it. The result has
    ||z||^2 = N per sample whatever the scale of `x`: only the direction of `x` matters.

    The same input gives the same output. Where the nearest point is not unique (magnitudes of a block that
    are equal to the FFT's rounding, as in an impulse, or bins without a phase) a fixed one is returned. A
    zero sample is as far from every member of G; the result is finite and fixed, but tells nothing about
    it, so callers skip zero gradients (`WhiteGaussianProjector` keeps them zero).

    Args:
        x: real, shape (batch, ...), any floating dtype and device, an even number N >= 4 of elements per
            sample. Not changed. No gradient flows through the projection.
        block_size: bins per block, at least 2. The paper uses 16.

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
    flat = _unit_scale(_flat_samples(x, block_size))
    rms = torch.linalg.vector_norm(flat, dim=-1) / math.sqrt(flat.shape[-1])
    rounding = _ROUNDING_MARGIN * torch.finfo(flat.dtype).eps * rms
    spectrum = torch.fft.rfft(flat, norm="ortho")
    y = pack_real_bins_(spectrum)
    for group in spectral_blocks(y.shape[-1], block_size):
        _project_blocks_(y, group, rounding)
    z = torch.fft.irfft(unpack_real_bins_(spectrum), n=flat.shape[-1], norm="ortho")
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
    magnitudes = compact_spectrum(_flat_samples(x, block_size)).abs()
    one_norms, energies = [], []
    for group in spectral_blocks(magnitudes.shape[-1], block_size):
        blocks = group.of(magnitudes)
        one_norms.append(blocks.sum(-1) / group.one_norm - 1)
        energies.append(blocks.square().sum(-1) / group.energy - 1)
    return torch.cat(one_norms, -1), torch.cat(energies, -1)


def is_white_gaussian(x: torch.Tensor, block_size: int = BLOCK_SIZE, tolerance: float = 1e-4) -> torch.Tensor:
    """Whether each sample lies in the set G, up to a relative `tolerance` on both norms of every block.

    Args:
        x: real, shape (batch, ...), as for `project_white_gaussian`.
        block_size: bins per block.
        tolerance: largest relative deviation allowed. True white noise is not in G: the norms of its blocks
            scatter around the targets by 1/sqrt(block_size) or so.

    Returns:
        bool, shape (batch,).
    """
    one_norm, energy = block_norm_deviations(x, block_size)
    return (torch.maximum(one_norm.abs(), energy.abs()) <= tolerance).all(-1)


def draw_white_gaussian(shape: tuple[int, ...], block_size: int = BLOCK_SIZE,
                        generator: torch.Generator | None = None, dtype: torch.dtype = torch.float32,
                        device: torch.device | str = "cpu") -> torch.Tensor:
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
