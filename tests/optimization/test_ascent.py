"""The loop: the published one, each sample by itself, the best noise kept."""

import pytest
import torch

from optimization import Stopping, ascend

from .hills import Free, UnitSphere, as_picture, brightness, start_noise


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


def test_half_precision_noise_moves_by_small_steps():
    noise = start_noise().half()
    record = ascend(noise, as_picture, brightness, Free(), stopping=Stopping(steps=10))
    assert record.best_noise.dtype == torch.float16
    assert (record.best_noise - noise).abs().mean() > 0.1


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
