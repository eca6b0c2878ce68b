import math
import weakref
from contextlib import contextmanager

import pytest
import torch

from optimization import Stopping, ascend


class Free:
    def precondition(self, gradient, noise):
        return gradient

    def retract(self, noise):
        return noise


class UnitSphere(Free):
    def retract(self, noise):
        flat = noise.flatten(1)
        return (flat / flat.norm(dim=1, keepdim=True)).view_as(noise)


def as_picture(noise):
    """(B, 3, 4, 4) noise to pictures in [0, 1]."""
    return torch.sigmoid(noise)


def brightness(images):
    return images.mean((1, 2, 3))


def start_noise(batch=2, seed=0):
    return torch.randn(batch, 3, 4, 4, generator=torch.Generator().manual_seed(seed))


def test_reward_rises_and_the_best_noise_gives_the_best_reward():
    noise = start_noise()
    untouched = noise.clone()
    record = ascend(noise, as_picture, brightness, Free(), stopping=Stopping(steps=20))
    assert torch.equal(noise, untouched)
    history = record.reward_history()
    assert history.shape == (21, 2)
    assert torch.allclose(history[0], brightness(as_picture(noise)))
    assert (record.best_reward > history[0]).all()
    assert torch.equal(record.best_reward, history.max(0).values)
    assert torch.equal(record.best_step, history.argmax(0))
    assert torch.allclose(brightness(as_picture(record.best_noise)), record.best_reward)
    assert record.stop_reason == "all 20 steps done" and len(record.seconds) == 21 and record.steps == 20


def test_the_loop_is_the_published_one():
    """Against the algorithm written out by hand: Adam on the clipped gradient, then the retraction."""
    noise = start_noise(batch=1)
    record = ascend(noise, as_picture, brightness, UnitSphere(), stopping=Stopping(steps=3))
    x, m, v = noise.double(), 0.0, 0.0
    for step in (1, 2, 3):
        s = torch.sigmoid(x)
        gradient = s * (1 - s) / x.numel()
        gradient = gradient * min(1.0, 0.03 / gradient.norm())
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        x = x + 0.02 * (m / (1 - 0.9**step)) / ((v / (1 - 0.999**step)).sqrt() + 1e-8)
        x = x / x.norm()
    last = brightness(as_picture(x.float()))
    assert torch.allclose(record.reward_history()[3], last, atol=1e-6)


def test_same_seed_is_bit_identical():
    runs = [ascend(start_noise(), as_picture, brightness, Free(), stopping=Stopping(steps=5)) for _ in range(2)]
    assert torch.equal(runs[0].best_noise, runs[1].best_noise)
    assert torch.equal(runs[0].reward_history(), runs[1].reward_history())


def test_samples_do_not_see_each_other():
    noise = start_noise(batch=3)
    together = ascend(noise, as_picture, brightness, UnitSphere(), stopping=Stopping(steps=6))
    for i in range(3):
        alone = ascend(noise[i : i + 1], as_picture, brightness, UnitSphere(), stopping=Stopping(steps=6))
        assert torch.allclose(alone.best_noise[0], together.best_noise[i], atol=1e-6)


def test_best_is_kept_per_sample_when_the_reward_falls_again():
    """With a step far too large the reward oscillates; the best of each sample is its own maximum."""
    target = torch.tensor([0.4, 0.6])

    def closeness(images):
        return -(images.mean((1, 2, 3)) - target).abs()

    record = ascend(
        start_noise(),
        as_picture,
        closeness,
        Free(),
        optimizer=lambda p: torch.optim.Adam(p, lr=0.5),
        stopping=Stopping(steps=30),
    )
    history = record.reward_history()
    assert (history[-1] < record.best_reward).any()
    assert torch.equal(history.max(0).values, record.best_reward)
    assert record.best_step[0] != record.best_step[1]


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

    record = ascend(start_noise(), lambda x: as_picture(x).nan_to_num(1.0), brightness, Spoiled(),
                    stopping=Stopping(steps=4))
    assert [(i.step, i.sample, i.what) for i in record.incidents] == [(1, 1, "the last step made the noise not finite")]
    assert torch.isfinite(record.best_noise).all() and record.steps == 4


@pytest.mark.parametrize("bad", [lambda i: i.mean(), lambda i: i.mean((2, 3)), lambda i: [0.0, 0.0]])
def test_a_reward_of_the_wrong_shape_is_named(bad):
    with pytest.raises(ValueError, match=r"one score per image, shape \(2,\)"):
        ascend(start_noise(), as_picture, bad, Free())


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


def test_a_start_noise_that_is_not_finite():
    with pytest.raises(ValueError, match="start noise"):
        ascend(torch.full((1, 3, 4, 4), math.nan), as_picture, brightness, Free())


def test_half_precision_noise_moves_by_small_steps():
    noise = start_noise().half()
    record = ascend(noise, as_picture, brightness, Free(), stopping=Stopping(steps=10))
    assert record.best_noise.dtype == torch.float16
    assert (record.best_noise - noise).abs().mean() > 0.1


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


@pytest.mark.parametrize("scale, step_length", [(1.0, 0.03), (0.01, None)])
def test_the_clip_shortens_and_never_lengthens(scale, step_length):
    """With plain gradient steps of size 1 the step is the gradient, at most as long as the clip, per sample."""
    noise = start_noise()
    x = noise.clone().requires_grad_(True)
    gradient = torch.autograd.grad(10 * scale * brightness(as_picture(x)).sum(), x)[0]
    seen = []

    class Watches(Free):
        def retract(self, noise):
            seen.append(noise.clone())
            return noise

    ascend(
        noise,
        as_picture,
        lambda images: 10 * scale * brightness(images),
        Watches(),
        optimizer=lambda p: torch.optim.SGD(p, lr=1.0),
        stopping=Stopping(steps=1),
    )
    step = seen[0] - noise
    expected = gradient.flatten(1).norm(dim=1) if step_length is None else torch.full((2,), step_length)
    assert (gradient.flatten(1).norm(dim=1) > 0.03).all() == (step_length is not None)
    assert torch.allclose(step.flatten(1).norm(dim=1), expected, rtol=1e-3, atol=1e-6)


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
