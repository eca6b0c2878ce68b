import math

import numpy as np
import pytest

from benchmarks.comparison.statistics import (
    Interval,
    bootstrap,
    bootstrap_mean,
    front,
    geometric_mean,
    min_loss,
    upper_bounds,
)


def test_interval_of_a_mean_has_the_width_of_the_standard_error():
    values = np.random.default_rng(3).normal(5, 2, 400)
    interval = bootstrap_mean(values)
    error = values.std(ddof=1) / 20
    assert interval.value == pytest.approx(values.mean())
    assert interval.value - interval.low == pytest.approx(1.96 * error, rel=0.15)
    assert interval.high - interval.value == pytest.approx(1.96 * error, rel=0.15)


def test_both_bootstraps_agree_and_repeat():
    values = np.random.default_rng(4).random(30)
    slow = bootstrap(lambda index: values[index].mean(), len(values), 1500)
    fast = bootstrap_mean(values, 1500)
    assert (slow[0].low, slow[0].high) == pytest.approx((fast.low, fast.high), abs=0.02)
    assert slow == bootstrap(lambda index: values[index].mean(), len(values), 1500)


def test_several_figures_of_the_same_resamples():
    values = np.random.default_rng(5).random(20)
    mean, double = bootstrap(lambda index: (values[index].mean(), 2 * values[index].mean()), len(values), 300)
    assert double == Interval(*(pytest.approx(2 * end) for end in (mean.value, mean.low, mean.high)))


def test_a_time_never_reached_is_the_upper_end():
    (interval,) = bootstrap(lambda index: math.inf if (index == 0).any() else 1.0, 5, 200)
    assert interval.low == 1.0
    assert interval.high == math.inf


@pytest.mark.parametrize(
    "low, high, answer", [(0.1, 0.2, True), (0.1, 0.4, None), (0.4, math.inf, False), (-2, -1, False), (0, 0.3, True)]
)
def test_an_interval_that_holds_both_answers_does_not_decide(low, high, answer):
    assert Interval(low, low, high).within(0, 0.3) is answer


def test_bounds_hold_for_all_figures_at_once():
    """Of twenty means that are truly 0, all bounds are above 0 in about 95 of 100 cases; the means' own intervals would
    be in 36."""
    draws, missed = np.random.default_rng(6), 0
    for _ in range(60):
        values = draws.normal(size=(20, 30))
        means, bounds = upper_bounds(lambda index, values=values: values[:, index].mean(1), 30, 100)
        assert means == pytest.approx(values.mean(1)) and (bounds > means).all()
        missed += (bounds < 0).any()
    assert missed <= 12
    _, bounds = upper_bounds(lambda index: values[:, index].mean(1) - 2, 30, 100)
    assert (bounds < -1).all()


def test_one_noise_has_no_scatter():
    assert bootstrap_mean(np.array([3.0])) == bootstrap(lambda index: 3.0, 1)[0] == Interval(3.0, 3.0, 3.0)


@pytest.mark.parametrize("seed", range(5))
def test_front_is_what_no_other_point_beats(seed):
    gains, losses = np.random.default_rng(seed).integers(0, 8, (2, 40))
    kept = front(gains, losses)
    points = list(zip(gains.tolist(), losses.tolist(), strict=True))

    def beaten(gain: float, loss: float) -> bool:
        return any(g >= gain and x <= loss and (g, x) != (gain, loss) for g, x in points)

    assert {points[i] for i in kept.tolist()} == {point for point in points if not beaten(*point)}
    assert (np.diff(gains[kept]) > 0).all()
    assert (np.diff(losses[kept]) > 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_least_loss_by_hand(seed):
    gains, losses = np.random.default_rng(seed).random((2, 25))
    levels = np.linspace(0, 1.1, 12)
    for level, found in zip(levels.tolist(), min_loss(gains, losses, levels).tolist(), strict=True):
        fine = [x for g, x in zip(gains.tolist(), losses.tolist(), strict=True) if g >= level]
        assert found == pytest.approx(min(fine, default=math.inf))


def test_geometric_mean_is_not_that_of_the_worst():
    errors = np.array([[1.0, 1.0, 1.0, 1e4]])
    assert geometric_mean(errors).item() == pytest.approx(10.0)
