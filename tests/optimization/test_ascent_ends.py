"""What ends an ascent, and what is left of it then."""

import math

import pytest
import torch

from optimization import Stopping, ascend

from .hills import Free, as_picture, brightness, start_noise


@pytest.mark.parametrize(
    "limits, steps, reason",
    [
        (dict(steps=4), 4, "all 4 steps done"),
        (dict(steps=500, target_reward=0.6), None, "reached the target reward 0.6"),
        (dict(steps=500, seconds=1e-9), 0, "the time budget of 1e-09 seconds is used up"),
    ],
)
def test_stops(limits, steps, reason):
    record = ascend(start_noise(), as_picture, brightness, Free(), stopping=Stopping(**limits))
    assert record.stop_reason == reason
    assert record.steps == steps if steps is not None else 0 < record.steps < 500
    if "target_reward" in limits:
        assert (record.best_reward >= 0.6).all()


def test_patience_counts_steps_without_a_better_noise():
    falling = iter(range(100))

    def worse_every_time(images):
        return images.mean((1, 2, 3)) * 0 - next(falling) + images.mean((1, 2, 3)) * 1e-6

    record = ascend(start_noise(), as_picture, worse_every_time, Free(), stopping=Stopping(steps=50, patience=3))
    assert record.stop_reason == "no better noise for 3 steps"
    assert record.steps == 3 and record.best_step.tolist() == [0, 0]


@pytest.mark.parametrize(
    "limits",
    [
        dict(steps=0),
        dict(seconds=0.0),
        dict(seconds=math.nan),
        dict(target_reward=math.nan),
        dict(patience=0),
    ],
)
def test_limits_that_cannot_be_meant(limits):
    with pytest.raises(ValueError, match="set it"):
        Stopping(**limits)


def test_the_record_survives_an_exception_in_the_callback():
    seen = []

    def cancel(step):
        seen.append(step)
        if step.index == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ascend(start_noise(), as_picture, brightness, Free(), callback=cancel)
    record = seen[-1].record
    assert len(record.rewards) == 4
    assert torch.allclose(brightness(as_picture(record.best_noise)), record.best_reward)
    assert all(not step.images.requires_grad for step in seen)


def test_the_callback_can_end_the_run_and_keep_the_best():
    record = ascend(
        start_noise(),
        as_picture,
        brightness,
        Free(),
        callback=lambda step: "the user has seen enough" if step.index == 4 else None,
    )
    assert record.stop_reason == "the user has seen enough" and record.steps == 4
    assert (record.best_reward > record.rewards[0]).all()
