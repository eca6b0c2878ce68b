"""Whitening by order statistics: white noise passes, everything else becomes like it."""

import math

import numpy as np
import pytest
import torch

from preconditioning import OrderStatisticWhitener, describe_whiteness, whiten_order_statistics
from preconditioning.whiteness_verdict import WHITE

from .order_statistic_reference import whiten
from .white_set import in_white_set

pytestmark = pytest.mark.numerical

ALONE, PROJECTED = OrderStatisticWhitener(project=False), OrderStatisticWhitener()
SHAPES = [
    (3, 16, 8, 8),
    (2, 4, 20, 28),
    (2, 3, 7, 11),  # odd sides, and 231 elements
    (2, 16, 5, 6, 10),  # a video
    (2, 3, 3, 5, 7),
    (2, 9, 14),  # no channels
    (1, 1, 1, 2),
    (2, 128, 6, 9),
]


def noise(*shape, seed=1, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def coloured(*shape, exponent=1.0, seed=1):
    """Amplitude 1 / f^exponent in rows and columns."""
    rows, columns = (torch.fft.fftfreq(side) for side in shape[-2:])
    frequency = torch.hypot(rows[:, None], columns)
    frequency[0, 0] = frequency[frequency > 0].min()
    return torch.fft.ifft2(torch.fft.fft2(noise(*shape, seed=seed)) * frequency**-exponent).real.contiguous()


def localised(*shape, seed=1):
    """White noise under a bell in the middle."""
    rows, columns = (torch.linspace(-4, 4, side) for side in shape[-2:])
    return noise(*shape, seed=seed) * torch.exp(-(rows[:, None] ** 2 + columns**2) / 2)


def cosine(a, b):
    return torch.nn.functional.cosine_similarity(a.double().flatten(1), b.double().flatten(1))


def lag_one(x, axis):
    x = x - x.mean()
    return float(
        (x.narrow(axis, 1, x.shape[axis] - 1) * x.narrow(axis, 0, x.shape[axis] - 1)).mean() / x.square().mean()
    )


@pytest.mark.parametrize(
    "shape", [(16, 64, 64), (4, 64, 64), (16, 34, 62), (16, 5, 18, 22), (3, 7, 11)]
)  # FLUX at 512, SD, FLUX at a legal odd size, a video, and what no tile divides
def test_white_noise_passes(shape):
    for seed in range(0, 50, 10):
        x = noise(10, *shape, seed=seed)
        assert (cosine(whiten_order_statistics(x), x) > 0.99999).all()


@pytest.mark.parametrize(
    "shape, cell", [((4, 12, 10), 4), ((3, 5, 7), 4), ((16, 6, 10), 2), ((2, 3, 4, 9), 4), ((16, 36, 40), 2)]
)
@pytest.mark.parametrize("make", [coloured, localised])
def test_it_is_what_its_steps_say(shape, cell, make):
    x = make(2, *shape).double()
    expected = np.stack([whiten(sample, cell) for sample in x.numpy()])
    np.testing.assert_allclose(whiten_order_statistics(x), expected, atol=1e-8)


@pytest.mark.parametrize("whitener", [ALONE, PROJECTED])
@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.5])
def test_neighbours_of_a_coloured_gradient_are_no_longer_alike(whitener, exponent):
    x = coloured(1, 16, 64, 64, exponent=exponent)
    white = whitener.precondition(x, x)
    allowed = 0.01 if whitener.project else 0.1
    assert lag_one(x, -1) > 0.25 and abs(lag_one(white, -1)) < allowed and abs(lag_one(white, -2)) < allowed
    assert cosine(white, x) > 0.3


@pytest.mark.parametrize("whitener", [ALONE, PROJECTED])
def test_a_localised_gradient_becomes_noise_everywhere(whitener):
    def contrast(x):
        power = x.square().mean((0, 1))
        return float(power[24:40, 24:40].mean() / power[:8].mean())

    x = localised(1, 16, 64, 64)
    white = whitener.precondition(x, x)
    assert contrast(x) > 1000 and contrast(white) < 2
    assert cosine(white, x) > 0.4


def test_frames_of_a_video_are_no_longer_alike():
    x = noise(1, 16, 1, 16, 16) + 0.3 * noise(1, 16, 12, 16, 16, seed=2)
    white = whiten_order_statistics(x)
    assert lag_one(x, 2) > 0.8 and abs(lag_one(white, 2)) < 0.15


def test_projected_it_lies_in_the_set_of_the_projection_and_looks_white():
    white = PROJECTED.precondition(coloured(2, 16, 32, 32), noise(2, 16, 32, 32))
    assert in_white_set(white).all()
    assert describe_whiteness(white).count(WHITE) == 2


@pytest.mark.parametrize("shape", SHAPES)
def test_any_shape(shape):
    x = localised(*shape) if min(shape[-2:]) > 1 else noise(*shape)
    white = whiten_order_statistics(x)
    assert white.shape == x.shape and white.isfinite().all()
    rms = white.flatten(1).square().mean(1).sqrt()
    assert (rms > 0.5).all() and (rms < 2).all()
    assert (cosine(white, x) > 0.2).all()


@pytest.mark.parametrize("width", range(2, 34, 2))
def test_flux_at_sizes_whose_sides_differ(width):
    """Latents have even sides; tiles are its tokens, groups of tiles rarely come out even."""
    x = localised(1, 16, 18, width)
    white = whiten_order_statistics(x)
    assert abs(float(white.square().mean()) - 1) < 0.2 and float(white.abs().max()) < 7


def test_samples_are_treated_apart():
    x = torch.cat([coloured(1, 4, 20, 28), localised(1, 4, 20, 28), torch.zeros(1, 4, 20, 28), noise(1, 4, 20, 28)])
    together = whiten_order_statistics(x)
    alone = torch.cat([whiten_order_statistics(each[None]) for each in x])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("scale", [1e-30, 1e-8, 1e-3, 1e8, 1e30])
def test_only_the_direction_matters(scale):
    x = coloured(2, 4, 24, 24).double()
    torch.testing.assert_close(whiten_order_statistics(scale * x), whiten_order_statistics(x), rtol=0, atol=1e-9)
    single = whiten_order_statistics((scale * x).float())
    assert (cosine(single, whiten_order_statistics(x)) > 0.9999).all()


@pytest.mark.parametrize("whitener", [ALONE, PROJECTED])
def test_zeros_stay_zero(whitener):
    x = torch.zeros(2, 4, 8, 8)
    x[1] = noise(4, 8, 8)
    white = whitener.precondition(x, x)
    assert (white[0] == 0).all() and white[1].isfinite().all() and (white[1] != 0).all()


@pytest.mark.parametrize("name", ["impulse", "constant", "signs", "cauchy", "mostly zero"])
def test_what_is_hardly_noise_becomes_finite_noise(name):
    x = torch.zeros(1, 16, 32, 32)
    if name == "impulse":
        x[0, 3, 7, 9] = -5
    elif name == "constant":
        x += 3
    elif name == "signs":
        x = noise(1, 16, 32, 32).sign()
    elif name == "cauchy":
        x = noise(1, 16, 32, 32) / noise(1, 16, 32, 32, seed=2)
    else:
        x[..., ::5, ::7] = noise(1, 16, 7, 5)
    white = whiten_order_statistics(x)
    assert white.isfinite().all() and torch.equal(white, whiten_order_statistics(x))
    assert float(cosine(white, x)) > 0
    assert 0.9 < float(white.square().mean().sqrt()) < 1.1 and float(white.abs().max()) < 8
    projected = PROJECTED.precondition(x, x)
    assert abs(lag_one(projected, -1)) < 0.1 and abs(lag_one(projected, -2)) < 0.1


@pytest.mark.parametrize("name", ["impulse", "constant", "one channel"])
def test_zeros_do_not_become_a_pattern(name):
    """Most coefficients are equal, at zero: what the intervals make of them is noise."""
    x = torch.zeros(1, 16, 32, 32)
    if name == "impulse":
        x[0, 3, 7, 9] = -5
    elif name == "constant":
        x += 3
    else:
        x[:, 0] = noise(32, 32)
    white = whiten_order_statistics(x)
    power = torch.fft.rfft(white.flatten(), norm="ortho").abs().square()[1:]  # without the mean, which a constant has
    assert abs(lag_one(white, -1)) < 0.05 and float(power.max() / power.mean()) < 40


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtypes(dtype):
    x = coloured(1, 4, 16, 16).to(dtype)
    before = x.clone()
    white = whiten_order_statistics(x)
    assert white.dtype == dtype and torch.equal(x, before)
    assert float(cosine(white, whiten_order_statistics(x.double()))) > 0.999


def test_no_float64_is_needed():
    """As on devices without it: no operation after the first call, which makes the bounds, sees one."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Watched(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            assert not any(isinstance(t, torch.Tensor) and t.dtype == torch.float64 for t in tree_leaves(result))
            return result

    x = coloured(1, 4, 20, 28)
    expected = whiten_order_statistics(x)
    with Watched():
        assert torch.equal(whiten_order_statistics(x), expected)


def test_what_is_not_finite():
    x = noise(2, 4, 8, 8)
    x[1, 0, 0, 0] = math.inf
    with pytest.raises(ValueError, match="sample 1 of the batch"):
        whiten_order_statistics(x)
    for whitener in (ALONE, PROJECTED):
        white = whitener.precondition(x, x)
        assert white[0].isfinite().all() and white[1].isnan().all()


@pytest.mark.parametrize(
    "x, message",
    [
        (torch.ones(2, 64), "channels, rows, columns"),
        (torch.ones(0, 4, 8, 8), "at least one element"),
        (torch.ones(1, 4, 8, 8, dtype=torch.int32), "float32 first"),
        (torch.ones(1, 4, 8, 8, dtype=torch.complex64), "float32 first"),
    ],
)
def test_refused(x, message):
    with pytest.raises(ValueError, match=message):
        whiten_order_statistics(x)


def test_an_impossible_block_size():
    with pytest.raises(ValueError, match="block_size"):
        OrderStatisticWhitener(block_size=1)
