"""Walking away from a noise on the white-noise set."""

import pytest
import torch

from preconditioning import draw_white_gaussian, vary_white_gaussian
from preconditioning.variations import _slerp

from .white_set import in_white_set

pytestmark = pytest.mark.numerical

SHAPE = (2, 4, 16, 16)


def generator(seed=5):
    return torch.Generator().manual_seed(seed)


def cosines(a, b):
    return torch.nn.functional.cosine_similarity(a.flatten(1).double(), b.flatten(1).double(), dim=1)


@pytest.fixture
def noise():
    return draw_white_gaussian(SHAPE, generator=generator(1))


def test_distance_0_is_the_noise_itself_bit_for_bit(noise):
    varied = vary_white_gaussian(noise, 0.0, 3, generator())
    assert torch.equal(varied, torch.stack([noise[0]] * 3 + [noise[1]] * 3))
    raw = torch.randn(SHAPE)  # also when it is not in the set
    assert torch.equal(vary_white_gaussian(raw, 0.0, 1, generator()), raw)


def test_distance_1_is_the_fresh_noise(noise):
    varied = vary_white_gaussian(noise, 1.0, 1, generator())
    fresh = draw_white_gaussian(SHAPE, generator=generator())
    torch.testing.assert_close(varied, fresh, rtol=1e-4, atol=1e-4)
    assert cosines(varied, noise).abs().max() < 0.15


def test_farther_means_less_alike(noise):
    distances = [0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0]
    alike = torch.stack([cosines(vary_white_gaussian(noise, d, 1, generator()), noise) for d in distances])
    assert (alike[1:] < alike[:-1]).all()
    # The projection changes the blend little: the angle is about the share of a right angle.
    expected = torch.tensor(distances, dtype=torch.float64).mul(torch.pi / 2).cos()
    assert (alike.mean(1) - expected).abs().max() < 0.1


@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_a_tiny_distance_is_a_tiny_change_of_any_noise(scale):
    raw = scale * torch.randn(2, 4, 64, 64, generator=generator(3))  # not in the set
    for distance in (1e-4, 1e-3, 1e-2):
        change = (vary_white_gaussian(raw, distance, 1, generator()) - raw).flatten(1).norm(dim=1)
        assert (change < 2 * distance * raw.flatten(1).norm(dim=1)).all()
    norms = [vary_white_gaussian(raw / scale, d, 1, generator()).square().mean() for d in (0.0, 0.2, 0.5, 0.8, 1.0)]
    torch.testing.assert_close(torch.stack(norms), torch.ones(5), rtol=0, atol=0.02)


@pytest.mark.parametrize("distance", [0.01, 0.3, 0.7, 1.0])
def test_variations_stay_white(noise, distance):
    varied = vary_white_gaussian(noise, distance, 4, generator())
    assert in_white_set(varied).all()
    # Brute force: a plain straight blend of the same pieces is not.
    fresh = draw_white_gaussian(SHAPE, generator=generator())
    blend = (1 - distance) * noise + distance * fresh
    assert distance in (0.01, 1.0) or not in_white_set(blend).any()


def test_the_path_before_the_projection_is_a_great_circle():
    a, b = (torch.nn.functional.normalize(torch.randn(2, 1024, dtype=torch.float64), dim=1) for _ in range(2))
    for share in (0.2, 0.5, 0.9):
        point = torch.nn.functional.normalize(_slerp(3 * a, 0.5 * b, share), dim=1)
        # Independent: rotate a towards the part of b that is orthogonal to it.
        cosine = (a * b).sum(1, keepdim=True)
        across = torch.nn.functional.normalize(b - cosine * a, dim=1)
        angle = share * cosine.acos()
        torch.testing.assert_close(point, angle.cos() * a + angle.sin() * across)


def test_variations_are_repeatable_and_differ(noise):
    varied = vary_white_gaussian(noise, 0.4, 3, generator())
    assert torch.equal(varied, vary_white_gaussian(noise, 0.4, 3, generator()))
    assert not torch.equal(varied, vary_white_gaussian(noise, 0.4, 3, generator(6)))
    for i in range(6):
        for j in range(i):
            assert not torch.equal(varied[i], varied[j])


def test_more_variations_begin_with_the_same_ones(noise):
    few, many = (vary_white_gaussian(noise, 0.4, n, generator()).view(2, n, *SHAPE[1:]) for n in (2, 5))
    torch.testing.assert_close(many[:, :2], few, rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtype_is_kept(noise, dtype):
    varied = vary_white_gaussian(noise.to(dtype), 0.4, 2, generator())
    assert varied.dtype == dtype and varied.shape == (4, *SHAPE[1:])


def test_towards_itself_there_is_nothing_to_walk():
    """Both ends parallel: no circle, no division by zero."""
    fresh = draw_white_gaussian((1, 64), generator=generator())
    torch.testing.assert_close(vary_white_gaussian(fresh, 0.5, 1, generator()), fresh, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("distance, count, message", [(1.5, 1, "between 0"), (-0.1, 1, "between 0"), (0.5, 0, "count")])
def test_refused(noise, distance, count, message):
    with pytest.raises(ValueError, match=message):
        vary_white_gaussian(noise, distance, count)


def test_the_noise_is_not_changed(noise):
    before = noise.clone()
    vary_white_gaussian(noise, 0.5, 2, generator()).zero_()
    vary_white_gaussian(noise, 0.0, 1, generator()).zero_()
    assert torch.equal(noise, before)
