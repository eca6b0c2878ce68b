"""Contiguous blocks of the compact spectrum and the norms that white noise has in each on average.

A block of L bins of CN(0, 1) has E ||y_b||_1 = (sqrt(pi) / 2) L and E ||y_b||_2^2 = L; these are the
targets of GPER's feasible set (arXiv 2602.08646).
"""

import math
from dataclasses import dataclass

import torch

BLOCK_SIZE = 16  # bins per block; the paper's choice
MEAN_MAGNITUDE = math.sqrt(math.pi) / 2  # of a bin of CN(0, 1)


@dataclass(frozen=True)
class EqualBlocks:
    """`count` neighbouring blocks of equal `length`, from bin `start` on."""

    start: int
    count: int
    length: int

    @property
    def one_norm(self) -> float:
        """Target of ||y_b||_1."""
        return MEAN_MAGNITUDE * self.length

    @property
    def energy(self) -> float:
        """Target of ||y_b||_2^2."""
        return float(self.length)

    @property
    def min_bins(self) -> int:
        """Least number of non-zero bins that can meet both targets: the first integer above t^2 / L = (pi/4) L."""
        return math.floor(self._effective_bins) + 1

    @property
    def max_rounds(self) -> int:
        """Rounds after which no bin is left to drop, when every round but the last drops one or more."""
        return self.length - self.min_bins + 1

    @property
    def _effective_bins(self) -> float:
        """t^2 / L = (pi/4) L: bins of equal magnitude that would meet both targets."""
        return MEAN_MAGNITUDE**2 * self.length

    def spread(self, kept: torch.Tensor | int) -> torch.Tensor | float:
        """2-norm about their mean of `kept` non-zero bins that meet both targets: sqrt(L - t^2 / kept)."""
        # (kept - fewest) + (fewest - t^2 / L) keeps its digits in float32 where t^2 / L is close to kept.
        spare = (kept - self.min_bins) + (self.min_bins - self._effective_bins)
        return (self.energy * spare / kept) ** 0.5

    def of(self, spectrum: torch.Tensor) -> torch.Tensor:
        """View of these blocks in a spectrum (batch, bins): (batch, count, length)."""
        stop = self.start + self.count * self.length
        return spectrum[:, self.start : stop].unflatten(-1, (self.count, self.length))


def check_block_size(block_size: int) -> None:
    """Raise ValueError unless `block_size` is a whole number of at least 2."""
    if isinstance(block_size, bool) or not isinstance(block_size, int) or block_size < 2:
        raise ValueError(
            f"block_size must be a whole number of at least 2 bins, got {block_size!r}; the usual value is {BLOCK_SIZE}"
        )


def spectral_blocks(bins: int, block_size: int) -> list[EqualBlocks]:
    """Cut `bins` into full blocks and, where they do not come out even, a last block with its own targets.

    The last block is what is left, 2 to `block_size` - 1 bins. One bin alone would need magnitude sqrt(pi)/2
    and 1 at once, so it joins the block before it, which then has `block_size` + 1; two bins or more can
    always meet both targets.

    Args:
        bins: length of the compact spectrum, at least 2.
        block_size: bins per full block, at least 2.

    Returns:
        one or two groups of equal blocks that cover every bin once, in order.
    """
    count, rest = divmod(bins, block_size)
    if rest == 1:
        count, rest = count - 1, block_size + 1
    groups = [EqualBlocks(0, count, block_size)] if count else []
    if rest:
        groups.append(EqualBlocks(count * block_size, 1, rest))
    return groups
