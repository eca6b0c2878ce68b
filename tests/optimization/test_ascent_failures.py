"""What is not finite, has no gradient or raises: which sample it takes out, and how the run goes on."""

import math
import weakref
from contextlib import contextmanager

import pytest
import torch

from optimization import Stopping, ascend

from .hills import Free, UnitSphere, as_picture, brightness, start_noise


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_reward_that_is_not_finite_stops_its_sample_only(bad):
    calls = iter(range(100))

    def breaks_for_sample_one(images):
        rewards = images.mean((1, 2, 3))
        return rewards * torch.tensor([1.0, bad]) if next(calls) == 2 else rewards

    record = ascend(start_noise(), as_picture, breaks_for_sample_one, Free(), stopping=Stopping(steps=6))
    assert [(i.step, i.sample, i.what) for i in record.incidents] == [(2, 1, "the reward is not finite")]
    assert torch.isfinite(record.best_noise).all() and torch.isfinite(record.best_reward).all()
    assert record.best_step[0] == 6 and record.best_step[1] >= 1
    assert record.stop_reason == "all 6 steps done"


def test_a_gradient_that_is_not_finite():
    def reward(images):
        value = images.mean((1, 2, 3))
        return value + torch.sqrt(value - value.detach())  # the value unchanged, the gradient infinite

    record = ascend(start_noise(), as_picture, reward, Free(), stopping=Stopping(steps=6))
    assert {i.what for i in record.incidents} == {"the gradient is not finite"}
    assert record.stop_reason.startswith("no sample can be improved any further")
    assert torch.equal(record.best_noise, start_noise()) and record.steps == 0


@pytest.mark.parametrize(
    "reward, what",
    [
        (lambda images: images.detach().mean((1, 2, 3)), "the reward has no gradient"),
        (lambda images: images.mean((1, 2, 3)) * 0, "the gradient is zero"),
        (lambda images: images.clamp(2, 3).mean((1, 2, 3)), "the gradient is zero"),
    ],
)
def test_nothing_to_climb(reward, what):
    record = ascend(start_noise(), as_picture, reward, UnitSphere(), stopping=Stopping(steps=6))
    assert [(i.step, i.sample, i.what) for i in record.incidents] == [(0, 0, what), (0, 1, what)]
    assert torch.equal(record.best_noise, start_noise())


def test_a_step_that_spoils_the_noise_is_not_blamed_on_the_reward():
    class Spoiled(Free):
        def retract(self, noise):
            return noise * torch.tensor([1.0, math.nan]).view(-1, 1, 1, 1)

    record = ascend(
        start_noise(), lambda x: as_picture(x).nan_to_num(1.0), brightness, Spoiled(), stopping=Stopping(steps=4)
    )
    assert [(i.step, i.sample, i.what) for i in record.incidents] == [(1, 1, "the last step made the noise not finite")]
    assert torch.isfinite(record.best_noise).all() and record.steps == 4


@pytest.mark.parametrize("bad", [lambda i: i.mean(), lambda i: i.mean((2, 3)), lambda i: [0.0, 0.0]])
def test_a_reward_of_the_wrong_shape_is_named(bad):
    with pytest.raises(ValueError, match=r"one score per image, shape \(2,\)"):
        ascend(start_noise(), as_picture, bad, Free())


def test_a_start_noise_that_is_not_finite():
    with pytest.raises(ValueError, match="start noise"):
        ascend(torch.full((1, 3, 4, 4), math.nan), as_picture, brightness, Free())


def test_the_last_evaluation_is_judged_too():
    calls = iter(range(100))

    def breaks_at_the_end(images):
        rewards = images.mean((1, 2, 3))
        return rewards * math.nan if next(calls) == 3 else rewards

    record = ascend(start_noise(), as_picture, breaks_at_the_end, Free(), stopping=Stopping(steps=3))
    assert [(i.step, i.sample, i.what) for i in record.incidents] == [
        (3, 0, "the reward is not finite"),
        (3, 1, "the reward is not finite"),
    ]
    assert torch.isfinite(record.best_reward).all() and record.stop_reason == "all 3 steps done"


def test_a_retried_evaluation_loses_nothing():
    """An evaluation that failed is made again: same noises, rewards and count as in a run that never failed."""
    calls, seen, contexts = [], [], []

    def failing(images):
        calls.append(1)
        if len(calls) in (3, 4):
            images.register_hook(lambda gradient: broken())
        return brightness(images)

    def broken():
        raise MemoryError("out of memory")

    @contextmanager
    def context():
        contexts.append("open")
        yield

    def retry(error):
        seen.append(error)
        return isinstance(error, MemoryError)

    expected = ascend(start_noise(), as_picture, brightness, UnitSphere(), stopping=Stopping(steps=4))
    record = ascend(
        start_noise(), as_picture, failing, UnitSphere(), stopping=Stopping(steps=4), graph_context=context, retry=retry
    )
    assert len(calls) == 5 + 2 == len(contexts) and len(seen) == 2
    assert torch.equal(record.reward_history(), expected.reward_history())
    assert torch.equal(record.best_noise, expected.best_noise)


def test_what_a_failed_evaluation_computed_is_freed_before_the_next():
    alive, calls = [], []

    def generate(x):
        images = as_picture(x)
        calls.append(weakref.ref(images))
        alive.append([reference() is not None for reference in calls[:-1]])
        if len(calls) == 2:
            raise MemoryError
        return images

    ascend(start_noise(), generate, brightness, Free(), stopping=Stopping(steps=2), retry=lambda error: True)
    assert alive[2] == [False, False]


def test_an_error_that_is_not_retried_is_raised():
    def broken(images):
        raise MemoryError("out of memory")

    with pytest.raises(MemoryError, match="out of memory"):
        ascend(start_noise(), as_picture, broken, Free(), stopping=Stopping(steps=2), retry=lambda error: False)
