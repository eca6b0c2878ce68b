"""The nearest bins to given ones whose magnitudes meet both norms of their block, whatever the magnitudes are.

See `white_noise` for the derivation.
"""

import math

import torch

from .spectral_blocks import EqualBlocks

# Magnitudes this many roundings of the sample's RMS apart, or from zero, are equal as far as an FFT can tell.
ROUNDING_MARGIN = 8.0

# Up to so many rounds (blocks of 64 bins need 14) all are done without a look at whether the last ones are needed.
_MOST_BLIND_ROUNDS = 16


def looks_are_cheap(device: torch.device) -> bool:
    """Whether the host may branch on values: an accelerator's would make it wait until they are there."""
    return device.type == "cpu"


def _matched_magnitudes(w: torch.Tensor, kept: torch.Tensor, group: EqualBlocks, tie: torch.Tensor) -> torch.Tensor:
    """Nearest non-negative magnitudes that meet both targets of `group`.

    Args:
        w: magnitudes (..., length).
        kept: bool (..., length), the bins to start from: at least those that end up above zero.
        group: holds the targets.
        tie: (..., 1), spread below which the kept magnitudes count as equal. All points that keep only
            those are then equally near; a falling ramp over them is taken.
    """
    looks = looks_are_cheap(w.device) or group.max_rounds > _MOST_BLIND_ROUNDS
    for _ in range(group.max_rounds):
        k = kept.sum(-1, keepdim=True).to(w.dtype)
        centred = (w - (w * kept).sum(-1, keepdim=True) / k) * kept
        # The mean's own rounding, which shows where the magnitudes are nearly equal.
        centred = (centred - centred.sum(-1, keepdim=True) / k) * kept
        tied = torch.linalg.vector_norm(centred, dim=-1, keepdim=True) <= tie * k.sqrt()
        ramp = ((k + 1) / 2 - kept.cumsum(-1)) * kept
        centred = torch.where(tied, ramp, centred)
        spread = torch.linalg.vector_norm(centred, dim=-1, keepdim=True)
        a = (group.one_norm / k + centred * (group.spread(k) / spread)) * kept
        dropped = kept & (a <= 0) & (k > group.min_bins)
        if looks and not dropped.any():
            break
        kept = kept & ~dropped
    return a.clamp_min(0)


def nearest_bins(
    re: torch.Tensor,
    im: torch.Tensor,
    kept: torch.Tensor,
    index: torch.Tensor,
    bins: int,
    group: EqualBlocks,
    tie: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Nearest point of each row (..., length), where bins may drop out, tie, or be zero and have no phase.

    A bin without a phase that has to grow gets the phase pi j^2 / bins of its index j: fixed, and spread so
    that a whole band of such bins adds up to a flat chirp instead of an impulse (Schroeder 1970, "Synthesis
    of low-peak-factor signals").

    Args:
        re, im: real and imaginary parts (..., length) of the bins of blocks of one length.
        kept: bool (..., length), the bins to start from; as in `_matched_magnitudes`.
        index: (..., length), the index j of each bin in the spectrum.
        bins: number of bins of the spectrum.
        group: holds the targets of these blocks.
        tie: (..., 1), spread below which the kept magnitudes count as equal.

    Returns:
        real and imaginary parts of the point, (..., length) each.
    """
    w = torch.hypot(re, im)
    silent = w <= tie
    if not looks_are_cheap(w.device) or silent.any():
        chirp = (index * index % (2 * bins)).to(w.dtype) * (math.pi / bins)
        re, im = torch.where(silent, chirp.cos(), re), torch.where(silent, chirp.sin(), im)
    ratio = _matched_magnitudes(torch.where(silent, 0, w), kept, group, tie) / torch.where(silent, 1, w)
    return re * ratio, im * ratio
