"""The nearest noise within an angle of the start: on the white-Gaussian set, and in direction alone."""

import math

import pytest
import torch

from preconditioning import RECIPES, WhiteGaussianProjector, draw_white_gaussian, project_white_gaussian
from preconditioning.strength import nearest_white_within, retraction_within, turn_towards

from .white_set import in_white_set

pytestmark = pytest.mark.numerical

SHAPE = (3, 4, 8, 8)
STRENGTHS = (0.003, 0.05, 0.2, 0.5, 0.9)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def member(dtype=torch.float64, seed=1):
    return draw_white_gaussian(SHAPE, generator=generator(seed), dtype=dtype)


def elsewhere(dtype=torch.float64, seed=2):
    return 1.7 * torch.randn(SHAPE, generator=generator(seed), dtype=dtype)


def angles(a, b):
    """By the chord between unit vectors, which keeps its digits at small angles."""
    a, b = (torch.nn.functional.normalize(x.flatten(1).double(), dim=1) for x in (a, b))
    return 2 * ((a - b).norm(dim=1) / 2).clamp_max(1).asin()


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("dtype, rounding", [(torch.float32, 3e-6), (torch.float64, 1e-13)])
def test_where_the_limit_binds_it_is_met_on_the_set(strength, dtype, rounding):
    start, limit = member(dtype), strength * math.pi / 2
    found = nearest_white_within(elsewhere(dtype), start, strength)
    assert found.dtype == dtype and in_white_set(found, tolerance=1e-4 if dtype == torch.float32 else 1e-12).all()
    angle = angles(found, start)
    assert (angle <= limit * (1 + rounding) + rounding / 10).all()
    assert (angle >= limit * (1 - 20 * rounding) - rounding).all()


@pytest.mark.parametrize("strength", STRENGTHS)
def test_within_the_limit_it_is_the_projection_bit_for_bit(strength):
    start = member(torch.float32)
    close = start + 0.4 * math.sin(strength) * torch.randn(SHAPE, generator=generator(3))
    assert torch.equal(nearest_white_within(close, start, strength), project_white_gaussian(close))


@pytest.mark.parametrize("strength", [0.1, 0.4])
@pytest.mark.parametrize("away", [0.3, 1.0, 3.0])
def test_no_member_within_the_limit_is_nearer(strength, away):
    """Against members in every direction around the result, those that lie within the limit."""
    start = member()
    noise = start + away * torch.randn(SHAPE, generator=generator(4), dtype=torch.float64)
    found = nearest_white_within(noise, start, strength)
    distance = (found - noise).flatten(1).norm(dim=1)
    inside = 0
    for k in range(1000):
        size = 10 ** -(1 + k % 5)
        towards = (start - found) * (k % 3) * size  # many directions lead outside the limit
        tried = found + towards + size * torch.randn(SHAPE, generator=generator(100 + k), dtype=torch.float64)
        tried = project_white_gaussian(tried)
        within = angles(tried, start) <= strength * math.pi / 2
        inside += int(within.sum())
        assert ((tried - noise).flatten(1).norm(dim=1)[within] >= distance[within] * (1 - 1e-10)).all()
    assert inside > 300


def test_the_nearest_one_of_a_tiny_set_found_by_brute_force():
    """Eight elements make one block of four bins. A fine sampling of that whole set: no point of it within the limit is
    nearer than the result, and the nearest one is close to it."""
    start = draw_white_gaussian((1, 8), 4, generator(5), torch.float64)
    noise = torch.randn(1, 8, generator=generator(6), dtype=torch.float64)
    sampled = draw_white_gaussian((400_000, 8), 4, generator(7), torch.float64)
    for strength in (0.3, 0.5, 0.7):
        found = nearest_white_within(noise, start, strength, block_size=4)
        assert angles(found, start) > strength * math.pi / 2 - 1e-9  # binds
        allowed = sampled[angles(sampled, start.expand_as(sampled)) <= strength * math.pi / 2]
        nearest = (allowed - noise).norm(dim=1).min()
        assert len(allowed) > 100 and (found - noise).norm() <= nearest < (found - noise).norm() * 1.1


def test_twice_is_once():
    start = member(torch.float32)
    once = nearest_white_within(elsewhere(torch.float32), start, 0.3)
    torch.testing.assert_close(nearest_white_within(once, start, 0.3), once, rtol=0, atol=2e-5)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_only_the_direction_matters(scale):
    start, noise = member(torch.float32), elsewhere(torch.float32)
    found = nearest_white_within(noise, start, 0.2)
    torch.testing.assert_close(nearest_white_within(scale * noise, start, 0.2), found, rtol=0, atol=1e-4)


def test_samples_are_bound_each_by_itself():
    """One sample is within the limit, one is far out, one is opposite to the start."""
    start = member()
    noise = torch.stack([start[0] * 1.01, elsewhere()[1], -start[2]])
    together = nearest_white_within(noise, start, 0.2)
    for i in range(3):
        alone = nearest_white_within(noise[i : i + 1], start[i : i + 1], 0.2)
        torch.testing.assert_close(together[i : i + 1], alone, rtol=0, atol=1e-9)
    torch.testing.assert_close(together[0], start[0], rtol=0, atol=1e-12)
    assert (angles(together, start) <= 0.1 * math.pi + 1e-12).all() and in_white_set(together).all()


def test_strength_0_is_the_start():
    torch.testing.assert_close(nearest_white_within(elsewhere(), member(), 0.0), member(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_stays_so_and_harms_no_other(bad):
    noise = elsewhere(torch.float32)
    noise[1, 0, 0, 0] = bad
    found = nearest_white_within(noise, member(torch.float32), 0.2)
    assert found[1].isnan().any() and torch.isfinite(found[[0, 2]]).all()


@pytest.mark.parametrize("strength", STRENGTHS)
def test_a_turn_ends_at_the_limit_and_keeps_the_length(strength):
    start, noise = elsewhere(seed=8), elsewhere(seed=9)
    turned = turn_towards(noise, start, strength)
    torch.testing.assert_close(angles(turned, start), torch.full((3,), strength * math.pi / 2, dtype=torch.float64))
    torch.testing.assert_close(turned.flatten(1).norm(dim=1), noise.flatten(1).norm(dim=1))
    # The nearest direction lies in the plane of the two: its angles to both add up to the angle between them.
    torch.testing.assert_close(angles(turned, start) + angles(turned, noise), angles(noise, start))


def test_a_turn_leaves_what_is_within_bit_for_bit():
    start = elsewhere(torch.float32)
    close = start + 0.1 * torch.randn(SHAPE, generator=generator(3))
    assert torch.equal(turn_towards(close, start, 0.2), close)
    torch.testing.assert_close(turn_towards(3 * start, start, 0.0), 3 * start)


def test_a_turn_at_its_edges():
    start = elsewhere()
    opposite = turn_towards(-2 * start, start, 0.2)
    torch.testing.assert_close(opposite, 2 * start)
    assert torch.equal(turn_towards(torch.zeros(SHAPE), torch.ones(SHAPE), 0.2), torch.zeros(SHAPE))
    noise = torch.randn(SHAPE)
    assert torch.equal(turn_towards(noise, torch.zeros(SHAPE), 0.2), noise)  # no direction to turn to


@pytest.mark.parametrize("name", RECIPES)
def test_every_method_can_be_kept_near_its_start(name):
    preconditioner = RECIPES[name].preconditioner
    start, noise = torch.randn(SHAPE, generator=generator(10)), elsewhere(torch.float32)
    before = noise.clone(), start.clone()
    found = retraction_within(preconditioner, 0.2, start)(noise)
    assert torch.equal(noise, before[0]) and torch.equal(start, before[1])
    center = project_white_gaussian(start) if name == "GPER" else start
    torch.testing.assert_close(
        angles(found, center), torch.full((3,), 0.1 * math.pi, dtype=torch.float64), rtol=1e-4, atol=0
    )
    if name == "GPER":
        assert in_white_set(found).all()


def test_a_projector_of_the_gradient_alone_is_turned():
    projector = WhiteGaussianProjector(project_latent=False)
    found = retraction_within(projector, 0.2, member())(elsewhere())
    torch.testing.assert_close(found, turn_towards(elsewhere(), member(), 0.2))
    assert not in_white_set(found).any()


def test_the_block_size_is_the_projector_s():
    start = torch.randn(SHAPE, generator=generator(11))
    found = retraction_within(WhiteGaussianProjector(4), 0.2, start)(elsewhere(torch.float32))
    assert in_white_set(found, block_size=4).all()


@pytest.mark.parametrize("strength", [-0.1, 1.1, math.nan])
def test_a_strength_out_of_range(strength):
    for limited in (
        lambda: nearest_white_within(elsewhere(), member(), strength),
        lambda: turn_towards(elsewhere(), member(), strength),
        lambda: retraction_within(WhiteGaussianProjector(), strength, member()),
    ):
        with pytest.raises(ValueError, match="strength"):
            limited()
