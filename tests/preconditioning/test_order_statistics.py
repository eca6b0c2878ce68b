"""Two-level order statistics: their intervals against draws, and the clip against every way to sort a small sample."""

import itertools

import numpy as np
import pytest
import torch
from scipy import optimize, stats

from preconditioning.order_statistics import (
    bounds_like,
    chi_bounds,
    clip_order_statistics,
    lower_quantiles,
    normal_bounds,
    two_level_sort,
)

pytestmark = pytest.mark.numerical

SHAPES = [(1, 1), (1, 7), (9, 1), (5, 8), (16, 64)]
CPU = torch.device("cpu")


def order_statistics(y):
    """By numpy, (..., tiles, length)."""
    return np.sort(np.sort(y, axis=-1), axis=-2)


def narrow(tiles, length):
    """Bounds of an alpha so large that they clip any sample."""
    return bounds_like(normal_bounds, (tiles, length, 0.5), torch.float64, CPU)


def inside(y, bounds, margin=1e-9):
    statistics = torch.from_numpy(order_statistics(y.numpy())).mT
    return bool(((statistics >= bounds[0] - margin) & (statistics <= bounds[1] + margin)).all())


@pytest.mark.parametrize("tiles, length", SHAPES)
def test_quantiles_are_nested_beta_quantiles(tiles, length):
    expected = [
        [stats.beta(j, length + 1 - j).ppf(stats.beta(r, tiles + 1 - r).ppf(0.005)) for r in range(1, tiles + 1)]
        for j in range(1, length + 1)
    ]
    np.testing.assert_allclose(lower_quantiles(tiles, length, 0.01), expected, rtol=1e-6)


@pytest.mark.parametrize("freedom", [None, 5, 64])
def test_the_intervals_hold_the_share_of_draws_that_they_say(freedom):
    """A tenth of the draws outside: of each order statistic, against five standard errors; a twentieth on each side."""
    tiles, length, alpha, draws = 4, 6, 0.1, 20_000
    generator = np.random.default_rng(3)
    if freedom is None:
        y, (lower, upper) = generator.standard_normal((draws, tiles, length)), normal_bounds(tiles, length, alpha)
    else:
        y = np.sqrt(generator.chisquare(freedom, (draws, tiles, length)))
        lower, upper = chi_bounds(tiles, length, freedom, alpha)
    statistics = order_statistics(y).swapaxes(-1, -2)
    error = 5 * np.sqrt(0.05 * 0.95 / draws)
    for outside in (statistics < lower, statistics > upper):
        np.testing.assert_allclose(outside.mean(0), 0.05, atol=error)


@pytest.mark.parametrize("tiles, length", SHAPES)
@pytest.mark.parametrize("bounds, arguments", [(normal_bounds, ()), (chi_bounds, (64,)), (chi_bounds, (1,))])
def test_bounds_are_finite_and_rise_along_both_axes(tiles, length, bounds, arguments):
    lower, upper = bounds(tiles, length, *arguments)
    assert np.isfinite(lower).all() and np.isfinite(upper).all() and (lower < upper).all()
    for each, axis in itertools.product((lower, upper), (0, 1)):
        assert (np.diff(each, axis=axis) >= 0).all()


def test_bounds_are_computed_once():
    first = bounds_like(normal_bounds, (3, 5), torch.float32, CPU)
    assert bounds_like(normal_bounds, (3, 5), torch.float32, CPU) is first


def test_sorting_in_two_levels_keeps_tiles_sorted():
    across, tile, place = two_level_sort(torch.randn(3, 9, 6, dtype=torch.float64))
    assert (across.diff(dim=-1) >= 0).all() and (across.diff(dim=-2) >= 0).all()
    assert tile.shape == (3, 6, 9) and place.shape == (3, 9, 6)


def nearest_distance(y, bounds):
    """Of y (tiles, length) to the set: the least of quadratic programs, one for each way to sort."""
    tiles, length = y.shape
    lower, upper = bounds.numpy()
    index = np.arange(tiles * length).reshape(tiles, length)
    best = np.inf
    for places in itertools.product(itertools.permutations(range(length)), repeat=tiles):
        within = np.stack([index[t, list(place)] for t, place in enumerate(places)])
        for tiles_of in itertools.product(itertools.permutations(range(tiles)), repeat=length):
            across = np.stack([within[list(order), j] for j, order in enumerate(tiles_of)])  # (length, tiles)
            pairs = [*zip(within[:, :-1].flat, within[:, 1:].flat, strict=True)]
            pairs += zip(across[:, :-1].flat, across[:, 1:].flat, strict=True)
            rises = np.zeros((len(pairs), y.size))
            for row, (small, large) in enumerate(pairs):
                rises[row, small], rises[row, large] = -1, 1
            limits = np.empty((2, y.size))
            limits[0, across], limits[1, across] = lower, upper
            rising = {"type": "ineq", "fun": lambda m, a=rises: a @ m, "jac": lambda m, a=rises: a}
            found = optimize.minimize(
                lambda m: ((m - y.flat) ** 2).sum() / 2, limits.mean(0), jac=lambda m: m - y.flatten(),
                method="SLSQP", bounds=limits.T, constraints=rising, options={"ftol": 1e-12},
            )  # fmt: skip
            if found.success:
                best = min(best, np.sqrt(2 * found.fun))
    return best


@pytest.mark.parametrize("tiles, length, seeds", [(2, 2, 12), (1, 3, 4), (3, 1, 4), (2, 3, 2), (3, 2, 2)])
def test_no_member_is_nearer(tiles, length, seeds):
    """A result in the set is the nearest member; another one is nearer than any."""
    bounds = narrow(tiles, length)
    members = 0
    for seed in range(seeds):
        y = 1.5 * torch.randn(tiles, length, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        clipped = clip_order_statistics(y[None], *bounds)[0]
        distance, nearest = float((clipped - y).norm()), nearest_distance(y.numpy(), bounds)
        assert distance <= nearest + 1e-5
        if inside(clipped, bounds):
            members += 1
            assert distance == pytest.approx(nearest, abs=1e-5)
    assert members >= seeds // 2 if min(tiles, length) > 1 else members == seeds


def test_a_result_outside_the_set():
    """Raised as the highest of its column, lowered as the lowest of the next: the tile changes its order."""
    bounds = torch.tensor([[[-9.0, 2.5], [-9, 2.6]], [[9, 9], [2, 9]]], dtype=torch.float64)  # (2, length, tiles)
    y = torch.tensor([[[1.0, 2.0], [0.0, 3.0]]], dtype=torch.float64)
    clipped = clip_order_statistics(y, *bounds)
    assert clipped.tolist() == [[[2.5, 2.0], [0.0, 3.0]]] and not inside(clipped[0], bounds)


def test_clipping_again_brings_it_into_the_set():
    bounds = bounds_like(normal_bounds, (64, 64), torch.float64, CPU)
    y = torch.randn(1, 64, 64, dtype=torch.float64) * torch.linspace(0.1, 3, 64).exp()
    outside = []
    for _ in range(12):
        y = clip_order_statistics(y, *bounds)
        statistics = two_level_sort(y)[0]
        outside.append(float((statistics - statistics.clamp(*bounds)).norm()))
    assert outside[0] > 1e-3 and outside[-1] < 1e-6


@pytest.mark.parametrize("tiles, length", [(1, 64), (40, 1)])
def test_one_level_twice_is_once(tiles, length):
    bounds = bounds_like(normal_bounds, (tiles, length), torch.float32, CPU)
    once = clip_order_statistics(5 * torch.randn(3, tiles, length), *bounds)
    assert torch.equal(clip_order_statistics(once, *bounds), once)


@pytest.mark.parametrize("y", [torch.zeros(1, 16, 64), torch.ones(1, 16, 64), torch.eye(16, 64)[None]])
def test_ties_become_a_member_and_twice_is_once(y):
    bounds = bounds_like(normal_bounds, (16, 64), torch.float32, CPU)
    once = clip_order_statistics(y, *bounds)
    assert inside(once[0], bounds) and not torch.equal(once, y)
    torch.testing.assert_close(clip_order_statistics(once, *bounds), once, rtol=0, atol=1e-6)


def test_members_do_not_move_and_nothing_changes_in_place():
    bounds = bounds_like(normal_bounds, (32, 64), torch.float32, CPU)
    y = torch.randn(4, 32, 64)
    assert torch.equal(clip_order_statistics(y, *bounds), y)
    z = 3 * y
    before = z.clone()
    assert not torch.equal(clip_order_statistics(z, *bounds), z) and torch.equal(z, before)
