"""NoiseTilt: which steps are tilted by how much, and what becomes of their noise."""

import math

import pytest
import torch

from optimization import NoiseTilt
from preconditioning import WHITENINGS, OrderStatisticWhitener, Unconstrained, WhiteGaussianProjector, measure_whiteness

pytestmark = pytest.mark.numerical


def drawn(seed: int, shape=(2, 4, 16, 16)) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({}, range(10)),
        ({"start": 0.3}, range(3, 10)),
        ({"end": 0.3}, range(3)),
        ({"start": 0.25, "end": 0.55}, (3, 4, 5)),
        ({"every": 3}, (0, 3, 6, 9)),
        ({"every": 3, "start": 0.2, "end": 0.9}, (2, 5, 8)),
        ({"start": 0.21, "end": 0.29}, ()),
        ({"strength": 0.0}, ()),
    ],
)
@pytest.mark.parametrize("schedule", ["constant", "falling"])
def test_which_steps_are_tilted(settings, steps, schedule):
    tilt = NoiseTilt(Unconstrained(), **{"strength": 0.1, **settings}, schedule=schedule)
    assert tilt.steps(10) == list(steps)


def test_hundredths_are_not_rounded_into_another_step():
    for hundredth in range(1, 100):
        assert NoiseTilt(Unconstrained(), 0.1, end=hundredth / 100).steps(100) == list(range(hundredth))
        assert NoiseTilt(Unconstrained(), 0.1, start=hundredth / 100).steps(100) == list(range(hundredth, 100))


def test_a_falling_strength_is_a_straight_line_to_the_end():
    tilt = NoiseTilt(Unconstrained(), 0.4, "falling", start=0.2, end=0.6)
    assert [tilt.rho(step, 10) for step in range(10)] == pytest.approx([0, 0, 0.4, 0.3, 0.2, 0.1, 0, 0, 0, 0])
    assert [NoiseTilt(Unconstrained(), 0.4).rho(step, 3) for step in range(4)] == [0.4, 0.4, 0.4, 0]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"strength": 1.1}, "strength is 1.1"),
        ({"strength": -0.1}, "strength is -0.1"),
        ({"strength": math.nan}, "strength is nan"),
        ({"schedule": "rising"}, "schedule is 'rising'"),
        ({"start": 0.5, "end": 0.5}, "the end above the start"),
        ({"start": -0.1}, "from 0 to 1"),
        ({"end": 1.1}, "from 0 to 1"),
        ({"every": 0}, "1 or more"),
    ],
)
def test_values_that_cannot_be_meant(settings, said):
    with pytest.raises(ValueError, match=said):
        NoiseTilt(Unconstrained(), **{"strength": 0.1, **settings})


@pytest.mark.parametrize("rho", [1e-4, 0.25, 1.0])
def test_the_whitened_gradient_takes_its_share_of_the_variance(rho):
    noise, gradient = drawn(0), 1e-6 * drawn(1).cumsum(-1)
    before = noise.clone(), gradient.clone()
    result = NoiseTilt(WhiteGaussianProjector(), rho).tilted(noise, gradient, rho)
    white = WhiteGaussianProjector().precondition(gradient, noise)
    assert torch.equal(result, rho**0.5 * white + (1 - rho) ** 0.5 * noise)
    assert torch.equal(noise, before[0]) and torch.equal(gradient, before[1])


@pytest.mark.parametrize("name", WHITENINGS)
def test_noise_tilted_by_a_smooth_gradient_keeps_its_size_and_points_up_the_gradient(name):
    noise = drawn(2, (2, 16, 32, 32))
    gradient = 1e-9 * drawn(3, (2, 16, 32, 32)).cumsum(-1).cumsum(-2)
    result = NoiseTilt(WHITENINGS[name], 0.5).tilted(noise, gradient, 0.5)
    torch.testing.assert_close(result.std((1, 2, 3)), torch.ones(2), atol=0.03, rtol=0)
    assert (torch.cosine_similarity(result.flatten(1), gradient.flatten(1)) > 0.05).all()
    assert (torch.cosine_similarity(result.flatten(1), noise.flatten(1)) > 0.6).all()
    if name != "NoiseTilt":  # the intervals alone leave low frequencies stronger
        assert (measure_whiteness(result).spectral_flatness > 0.9).all()


def test_under_a_mask_noise_outside_stays_and_the_tilt_inside_is_as_strong_as_without():
    noise = drawn(4, (3, 4, 32, 32))
    movable = torch.zeros(3, 1, 32, 32, dtype=torch.bool)
    movable[:2, :, 8:24, 4:20] = True
    movable[2] = True
    inside = movable.expand_as(noise)
    gradient = drawn(5, noise.shape).where(inside, torch.zeros(())) * torch.tensor([1e-25, 1.0, 1e25]).view(3, 1, 1, 1)
    tilt = NoiseTilt(OrderStatisticWhitener(), 0.5)
    result = tilt.tilted(noise, gradient, 0.5, movable)
    assert torch.equal(result[~inside], noise[~inside])
    for i in range(3):
        part = inside[i]
        towards = torch.cosine_similarity(result[i][part], gradient[i][part] / gradient[i].abs().max(), dim=0)
        assert 0.65 < towards < 0.75  # half of the variance is a gradient that was white already
        assert abs(result[i][part].std() - 1) < 0.05
    torch.testing.assert_close(result[2:], tilt.tilted(noise[2:], gradient[2:], 0.5))
