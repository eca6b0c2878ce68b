"""Blocks cover the spectrum once, and each can meet its two targets."""

import math

import pytest
import torch

from preconditioning.spectral_blocks import check_block_size, spectral_blocks

pytestmark = pytest.mark.numerical


@pytest.mark.parametrize("block_size", [2, 3, 5, 16, 64])
def test_blocks_cover_every_bin_once(block_size: int) -> None:
    for bins in range(2, 300):
        y = torch.arange(bins)[None]
        groups = spectral_blocks(bins, block_size)
        assert torch.cat([group.of(y).flatten(1) for group in groups], -1).tolist() == y.tolist()
        lengths = [group.length for group in groups for _ in range(group.count)]
        assert all(length == block_size for length in lengths[:-1])
        assert 2 <= lengths[-1] <= block_size + 1


def test_a_single_left_over_bin_joins_the_block_before_it() -> None:
    assert [(g.start, g.count, g.length) for g in spectral_blocks(33, 16)] == [(0, 1, 16), (16, 1, 17)]
    assert [(g.start, g.count, g.length) for g in spectral_blocks(17, 16)] == [(0, 1, 17)]


@pytest.mark.parametrize("length", [*range(2, 40), 452])  # (pi/4) 452 is 355 but for 3e-5
def test_fewest_bins_is_where_the_targets_become_feasible(length: int) -> None:
    """By Cauchy-Schwarz k bins reach ||y||_1 = t and ||y||_2^2 = L only if t^2 <= k L."""
    group = spectral_blocks(length, length)[0]
    t_squared = math.pi / 4 * length**2
    assert group.one_norm**2 == pytest.approx(t_squared)
    assert (group.min_bins - 1) * length < t_squared <= group.min_bins * length
    assert group.min_bins <= length
    for k in range(group.min_bins, length + 1):
        exact = math.sqrt((k - math.pi / 4 * length) * length / k)
        assert group.spread(k) == pytest.approx(exact, rel=1e-9)
        assert group.spread(torch.tensor(float(k))).item() == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("channels", [4, 16, 128])
@pytest.mark.parametrize("pixels", [8, 16])
def test_every_image_size_of_the_usual_models_fits(channels: int, pixels: int) -> None:
    """Latents of 4, 16 and 128 channels, one element per 8 or 16 pixels: no sample is odd, none is refused."""
    for rows in range(1, 65):
        for columns in range(1, 65):
            elements = channels * rows * columns * 16 // pixels
            lengths = {group.length for group in spectral_blocks(elements // 2, 16)}
            assert elements % 2 == 0 and min(lengths) >= 2


@pytest.mark.parametrize("block_size", [1, 0, -16, 16.0, True, "16"])
def test_block_sizes_below_two_or_not_whole_are_refused(block_size: object) -> None:
    with pytest.raises(ValueError, match="whole number of at least 2"):
        check_block_size(block_size)
