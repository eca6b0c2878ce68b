"""Noise of another size: white as before, with the same low frequencies."""

import math

import numpy as np
import pytest
import scipy.fft
import torch

from preconditioning import describe_whiteness, draw_white_gaussian, measure_whiteness, resize_white_noise
from preconditioning.whiteness_verdict import WHITE

from .white_set import in_white_set

pytestmark = pytest.mark.numerical

SIZES = [
    ((2, 4, 16, 16), (32, 32)),
    ((2, 4, 32, 32), (16, 16)),
    ((2, 4, 24, 16), (16, 24)),  # one side grows, the other shrinks
    ((2, 4, 16, 16), (16, 40)),
    ((2, 3, 7, 11), (10, 5)),
    ((2, 4, 9, 13), (27, 8)),
    ((2, 3, 5, 8, 12), (16, 6)),  # a video: its frames stay
    ((1, 1, 1, 1), (4, 4)),
]
EVERY = pytest.mark.parametrize("shape, new", SIZES)


def generator(seed=3):
    return torch.Generator().manual_seed(seed)


def raw(shape, dtype=torch.float64, seed=1):
    return torch.randn(shape, generator=generator(seed), dtype=dtype)


def low_band(x, rows, columns):
    return scipy.fft.dctn(x.double().numpy(), axes=(-2, -1), norm="ortho")[..., :rows, :columns]


def cosine_of_bands(a, b):
    rows, columns = (min(m, n) for m, n in zip(a.shape[-2:], b.shape[-2:], strict=True))
    bands = (torch.from_numpy(low_band(x, rows, columns)).flatten(1) for x in (a, b))
    return torch.nn.functional.cosine_similarity(*bands, dim=1)


@EVERY
def test_the_low_frequencies_are_those_of_the_noise(shape, new):
    x = raw(shape)
    resized = resize_white_noise(x, *new, generator())
    assert resized.shape == (*shape[:-2], *new) and resized.dtype == x.dtype
    rows, columns = min(shape[-2], new[0]), min(shape[-1], new[1])
    np.testing.assert_allclose(low_band(resized, rows, columns), low_band(x, rows, columns), atol=1e-12)


@EVERY
def test_the_other_frequencies_are_fresh(shape, new):
    first, again, other = (resize_white_noise(raw(shape), *new, generator(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (new[0] <= shape[-2] and new[1] <= shape[-1])


@pytest.mark.parametrize("old, new", [((3, 5), (4, 7)), ((6, 6), (4, 3)), ((3, 6), (5, 4))])
def test_white_noise_becomes_white_noise(old, new):
    """All means, variances and correlations of a small size, over many noises, against five standard errors."""
    count = 100_000
    resized = resize_white_noise(raw((count, 1, *old)), *new, generator()).flatten(1)
    covariance = resized.T @ resized / count
    errors = torch.full_like(covariance, 1 / math.sqrt(count)).fill_diagonal_(math.sqrt(2 / count))
    assert ((covariance - torch.eye(len(covariance), dtype=torch.float64)).abs() < 5 * errors).all()
    assert (resized.mean(0).abs() < 5 / math.sqrt(count)).all()


@pytest.mark.parametrize("new", [(64, 64), (48, 96), (80, 33), (20, 24)])
def test_it_passes_for_white_noise(new):
    """Values, channels, areas and spectrum, as Noise Statistics sees them."""
    for seed in range(5):
        resized = resize_white_noise(raw((1, 4, 40, 40), torch.float32, seed), *new, generator(seed + 50))
        assert describe_whiteness(resized) == WHITE
        assert abs(float(measure_whiteness(resized).relative_norm) - 1) < 0.05


@pytest.mark.parametrize(
    "shape, new",
    [
        ((3, 4, 16, 16), (32, 32)),
        ((3, 4, 32, 32), (16, 16)),
        ((3, 16, 8, 8), (12, 20)),
        ((3, 16, 24, 16), (17, 16)),
        ((3, 4, 64, 64), (8, 8)),
        ((2, 4, 3, 16, 16), (24, 24)),
    ],
)
def test_a_member_of_the_set_becomes_one(shape, new):
    for seed in range(4):
        x = draw_white_gaussian(shape, generator=generator(seed))
        resized = resize_white_noise(x, *new, generator(seed + 20))
        assert in_white_set(resized).all() and not in_white_set(raw(resized.shape)).any()
        assert (cosine_of_bands(x, resized) > 0.985).all()


def test_the_band_of_a_large_member_hardly_moves():
    """A latent of 512 pixels made for 1024 and for 256, and at another aspect."""
    x = draw_white_gaussian((2, 16, 64, 64), generator=generator(1))
    for new in ((128, 128), (32, 32), (56, 72)):
        assert (cosine_of_bands(x, resize_white_noise(x, *new, generator())) > 0.995).all()


def test_samples_are_treated_apart():
    """A member is projected, raw noise beside it is not."""
    x = torch.cat([draw_white_gaussian((1, 4, 16, 16), generator=generator(1)), raw((1, 4, 16, 16), torch.float32)])
    resized = resize_white_noise(x, 24, 24, generator())
    assert in_white_set(resized).tolist() == [True, False]
    np.testing.assert_allclose(low_band(resized[1:], 16, 16), low_band(x[1:], 16, 16), atol=1e-5)


def test_another_block_size():
    x = draw_white_gaussian((1, 4, 16, 16), 4, generator(1))
    assert in_white_set(resize_white_noise(x, 24, 24, generator(), 4), 4).all()


@pytest.mark.parametrize("block_size", [2, 4, 8, 12, 32, 64])
def test_a_member_of_other_blocks_stays_white(block_size):
    """Blocks that make up whole ones of 16 are in the set of 16 too; others are treated as any white noise."""
    x = draw_white_gaussian((1, 16, 32, 32), block_size, generator(1))
    for new in ((48, 80), (20, 24)):
        resized = resize_white_noise(x, *new, generator())
        assert in_white_set(resized).all() == (16 % block_size == 0) and describe_whiteness(resized) == WHITE


def test_a_wave_stays_a_wave_of_the_picture():
    """One half period along the width in the old size is one in the new size: the layout is kept."""
    old, new = (
        torch.cos(math.pi / n * (torch.arange(n, dtype=torch.float64) + 0.5)).expand(1, 1, n, n) for n in (16, 40)
    )
    resized = resize_white_noise(old, 40, 40, generator())
    correlation = (resized.mean(-2) * new.mean(-2)).sum() / (resized.mean(-2).norm() * new.mean(-2).norm())
    assert correlation > 0.8


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_dtype_is_kept_and_a_member_is_told_in_it(dtype):
    x = draw_white_gaussian((1, 4, 16, 16), generator=generator(1), dtype=dtype)
    resized = resize_white_noise(x, 24, 24, generator())
    assert resized.dtype == dtype and in_white_set(resized, tolerance=0.03).all()


def test_the_same_size_is_a_copy():
    x = raw((1, 4, 8, 8))
    before = x.clone()
    copy = resize_white_noise(x, 8, 8)
    assert torch.equal(copy, x)
    copy.zero_()
    resize_white_noise(x, 16, 16, generator()).zero_()
    assert torch.equal(x, before)


@pytest.mark.parametrize(
    "noise, size, message",
    [
        (raw((2, 64)), (8, 8), "rows, columns"),
        (torch.zeros(1, 4, 8, 8, dtype=torch.int32), (8, 8), "rows, columns"),
        (raw((1, 4, 8, 8)), (0, 8), "must be 1 or more"),
        (torch.full((1, 4, 8, 8), math.nan), (16, 16), "NaN or infinite"),
        (draw_white_gaussian((1, 1, 8, 8)), (7, 7), "even number of elements"),
    ],
)
def test_refused(noise, size, message):
    with pytest.raises(ValueError, match=message):
        resize_white_noise(noise, *size)
