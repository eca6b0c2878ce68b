import math

import pytest
import torch

from benchmarks.comparison.statistics import (
    at_time,
    bootstrap,
    bootstrap_mean,
    front,
    geometric_mean,
    least_loss,
    time_to,
)


def test_interval_of_a_mean_has_the_width_of_the_standard_error():
    values = torch.randn(400, generator=torch.Generator().manual_seed(3)) * 2 + 5
    interval = bootstrap_mean(values)
    error = values.std().item() / 20
    assert interval.value == pytest.approx(values.mean().item(), rel=1e-5)
    assert interval.value - interval.low == pytest.approx(1.96 * error, rel=0.15)
    assert interval.high - interval.value == pytest.approx(1.96 * error, rel=0.15)


def test_both_bootstraps_agree_and_repeat():
    values = torch.rand(30, generator=torch.Generator().manual_seed(4)).double()
    slow = bootstrap(lambda index: values[index].mean().item(), len(values), 1500)
    fast = bootstrap_mean(values, 1500)
    assert (slow.low, slow.high) == pytest.approx((fast.low, fast.high), abs=0.02)
    assert slow == bootstrap(lambda index: values[index].mean().item(), len(values), 1500)


def test_a_time_never_reached_is_the_upper_end():
    interval = bootstrap(lambda index: math.inf if (index == 0).any() else 1.0, 5, 200)
    assert interval.low == 1.0
    assert interval.high == math.inf


@pytest.mark.parametrize("seed", range(5))
def test_front_is_what_no_other_point_beats(seed):
    generator = torch.Generator().manual_seed(seed)
    gains, losses = (torch.randint(0, 8, (40,), generator=generator).double() for _ in range(2))
    kept = front(gains, losses)
    points = list(zip(gains.tolist(), losses.tolist(), strict=True))

    def beaten(gain: float, loss: float) -> bool:
        return any(g >= gain and x <= loss and (g, x) != (gain, loss) for g, x in points)

    assert {points[i] for i in kept.tolist()} == {point for point in points if not beaten(*point)}
    assert (gains[kept].diff() > 0).all()
    assert (losses[kept].diff() > 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_least_loss_by_hand(seed):
    generator = torch.Generator().manual_seed(seed)
    gains, losses = torch.rand(2, 25, generator=generator)
    levels = torch.linspace(0, 1.1, 12)
    for level, found in zip(levels.tolist(), least_loss(gains, losses, levels).tolist(), strict=True):
        fine = [x for g, x in zip(gains.tolist(), losses.tolist(), strict=True) if g >= level]
        assert found == pytest.approx(min(fine, default=math.inf))


def test_times_between_kept_moments():
    seconds = torch.tensor([0.0, 1.0, 3.0], dtype=torch.float64)
    curve = torch.tensor([2.0, 4.0, 3.0])
    assert time_to(seconds, curve, 3.0) == pytest.approx(0.5)
    assert time_to(seconds, curve, 1.0) == 0.0
    assert time_to(seconds, curve, 4.5) == math.inf
    assert at_time(seconds, curve, 2.0).item() == pytest.approx(3.5)
    assert at_time(seconds, curve, 0.0).item() == 2.0
    assert at_time(seconds, curve, 9.0).item() == 3.0


def test_time_to_inverts_at_time():
    seconds = torch.tensor([0.0, 0.4, 1.0, 2.5], dtype=torch.float64)
    curve = torch.tensor([0.0, 1.0, 1.5, 6.0], dtype=torch.float64)
    for level in (0.3, 1.2, 1.5, 4.0):
        assert at_time(seconds, curve, time_to(seconds, curve, level)).item() == pytest.approx(level)


def test_geometric_mean_is_not_that_of_the_worst():
    errors = torch.tensor([[1.0, 1.0, 1.0, 1e4]])
    assert geometric_mean(errors).item() == pytest.approx(10.0)
