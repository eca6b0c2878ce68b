"""Values, means and energies of tiles: where they end up, and that no shorter way leads there."""

import numpy as np
import pytest
import torch
from scipy import stats

from preconditioning.compact_tiles import GROUP
from preconditioning.tile_intervals import clip_energies, clip_means, clip_values

pytestmark = pytest.mark.numerical

EVERY = pytest.mark.parametrize("clip", [clip_values, clip_means, clip_energies])


def tiles(*shape, seed=1):
    """Far from white: each tile with a mean and a size of its own."""
    generator = torch.Generator().manual_seed(seed)
    x, size, mean = (torch.randn(n, generator=generator, dtype=torch.float64) for n in (shape, shape[:2], shape[:2]))
    return x * (2 * size).exp()[..., None] + 3 + mean[..., None]


def repeated(clip, y, times=30):
    for _ in range(times):
        y = clip(y)
    return y


@EVERY
@pytest.mark.parametrize("shape", [(1, 1, 9), (1, 6, 9), (1, 40, 16), (1, 130, 4)])
def test_no_member_nearby_is_nearer(clip, shape):
    """Members around the result, near and far, that `clip` leaves alone: none is nearer than the result."""
    y = tiles(*shape)
    result = clip(y)
    distance, generator = float((result - y).norm()), torch.Generator().manual_seed(2)
    assert distance > 0.1
    for step in (1e-3, 1e-2, 0.1, 1.0):
        for _ in range(20):
            member = repeated(clip, result + step * torch.randn(shape, generator=generator, dtype=torch.float64))
            torch.testing.assert_close(clip(member), member, rtol=0, atol=1e-9)
            assert float((member - y).norm()) >= distance - 1e-9


@pytest.mark.parametrize("shape", [(1, 1, 9), (1, GROUP, 16)])
@pytest.mark.parametrize("clip", [clip_means, clip_energies])
def test_up_to_one_group_of_tiles_twice_is_once(clip, shape):
    once = clip(tiles(*shape))
    torch.testing.assert_close(clip(once), once, rtol=0, atol=1e-12)


def test_means_and_energies_are_those_of_white_noise():
    """Of the tiles of one group the r-th smallest has a Beta distribution."""
    y, rank = tiles(1, GROUP, 16), np.arange(1, GROUP + 1)
    beta = stats.beta(rank, GROUP + 1 - rank)
    low, high = beta.ppf(0.5e-4), beta.ppf(1 - 0.5e-4)
    means = np.sort(4 * clip_means(y).mean(-1)[0].numpy())
    energies = np.sort(clip_energies(y).square().sum(-1)[0].numpy())
    for found, distribution in ((means, stats.norm()), (energies, stats.chi2(16))):
        share = distribution.cdf(found)
        assert (share > low - 1e-9).all() and (share < high + 1e-9).all()


@EVERY
def test_white_noise_does_not_move_and_nothing_changes_in_place(clip):
    white = torch.randn(2, 70, 64)
    torch.testing.assert_close(clip(white), white, rtol=0, atol=1e-5)
    y = tiles(2, 5, 64)
    before = y.clone()
    clip(y)
    assert torch.equal(y, before)


def test_a_tile_of_zeros_has_no_direction():
    y = tiles(1, 5, 64)
    y[0, 2] = 0
    clipped = clip_energies(y)
    assert (clipped[0, 2] == 0).all() and clipped.isfinite().all()
