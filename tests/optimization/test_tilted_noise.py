"""A sampling whose noise is tilted, on a model that is a formula: what is looked at, injected and recorded."""

import math

import pytest
import torch

from optimization import NoiseTilt, TiltedNoise
from preconditioning import Unconstrained, WhiteGaussianProjector

SHAPE = (2, 3, 8, 8)


def drawn(seed, shape=SHAPE):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def brightness(images):
    return images.mean((1, 2, 3))


def sample(tilted, noises, x=None, generate=torch.sigmoid):
    """x goes halfway to 0 at each step and gets noise; the fresh noise of each step, and the result."""
    x = drawn(0) if x is None else x
    fresh = []
    for step in range(noises + 1):
        if tilted.rho:
            tilted.look(x.clone().requires_grad_(True), generate)
        else:
            tilted.pass_by()
        x = x / 2
        if step < noises:
            fresh.append(drawn(10 + step, x.shape))
            x = x + 0.5 * tilted(fresh[-1])
    tilted.finish(x, generate)
    return x, fresh


def test_it_is_the_formula_step_by_step():
    tilt = NoiseTilt(WhiteGaussianProjector(), 0.3, "falling", every=2)
    found, fresh = sample(TiltedNoise(tilt, 4, brightness), 4)
    x = drawn(0)
    for step, eps in enumerate(fresh):
        rho = [0.3, 0, 0.15, 0][step]
        picture = torch.sigmoid(x)
        gradient = picture * (1 - picture) / x[0].numel()
        white = WhiteGaussianProjector().precondition(gradient, x)
        x = x / 2 + 0.5 * (math.sqrt(rho) * white + math.sqrt(1 - rho) * eps if rho else eps)
    torch.testing.assert_close(found, x / 2)


def test_the_noise_raises_the_reward():
    found = [
        sample(TiltedNoise(NoiseTilt(WhiteGaussianProjector(), rho), 6, brightness), 6)[0] for rho in (0, 0.02, 0.2)
    ]
    plain, little, much = (brightness(torch.sigmoid(x)) for x in found)
    assert (plain + 0.003 < little).all() and (little + 0.003 < much).all()


def test_the_record_tells_every_look_and_the_end():
    seen = []
    tilted = TiltedNoise(NoiseTilt(Unconstrained(), 0.1, end=0.5), 4, brightness, lambda step: seen.append(step))
    result, _ = sample(tilted, 4)
    record = tilted.record
    assert [step.index for step in seen] == [0, 1, 2] and len(record.rewards) == len(record.seconds) == 3
    assert torch.equal(record.rewards[-1], brightness(torch.sigmoid(result)))
    assert torch.equal(record.best_reward, record.rewards[-1]) and record.best_step.tolist() == [2, 2]
    assert record.stop_reason == "all steps done" and record.incidents == [] and tilted.tilted_steps == 2
    assert all(step.improved.all() for step in seen)


def test_a_callback_ends_the_tilt_at_once():
    tilted = TiltedNoise(
        NoiseTilt(Unconstrained(), 0.5), 4, brightness, lambda step: "enough" if step.index == 1 else None
    )
    stopped, _ = sample(tilted, 4)
    assert tilted.record.stop_reason == "enough" and tilted.tilted_steps == 1 and len(tilted.record.rewards) == 3
    once, _ = sample(TiltedNoise(NoiseTilt(Unconstrained(), 0.5, end=0.25), 4, brightness), 4)
    assert torch.equal(stopped, once)


def spoiled(what):
    """A reward whose second sample goes wrong on the second look."""
    looks = []

    def reward(images):
        looks.append(1)
        rewards = brightness(images)
        if len(looks) != 2:
            return rewards
        if what == "no gradient":
            return rewards.detach()
        factor = {"reward": math.nan, "gradient": 1.0, "zero": 0.0}[what]
        if what == "gradient":
            rewards.register_hook(lambda gradient: gradient * torch.tensor([1.0, math.nan]))
        return rewards * torch.tensor([1.0, factor])

    return reward


WRONG = {
    "reward": "the reward is not finite",
    "gradient": "the gradient is not finite",
    "zero": "the gradient is zero",
    "no gradient": "the reward has no gradient",
}


@pytest.mark.parametrize("what", WRONG)
def test_without_a_usable_gradient_it_stops(what):
    with pytest.raises(ValueError, match=f"at step 2: {WRONG[what]}") as error:
        sample(TiltedNoise(NoiseTilt(WhiteGaussianProjector(), 0.1), 4, spoiled(what)), 4)
    assert str(error.value).startswith("Picture 1" if what == "no gradient" else "Picture 2")


@pytest.mark.parametrize("what", WRONG)
def test_or_takes_plain_noise_there_where_that_is_wanted(what):
    tilt = NoiseTilt(WhiteGaussianProjector(), 0.1)
    tilted = TiltedNoise(tilt, 4, spoiled(what), plain_where_unusable=True)
    found, fresh = sample(tilted, 4)
    hurt = [0, 1] if what == "no gradient" else [1]
    told = [(incident.step, incident.sample, incident.what, incident.taken_out) for incident in tilted.record.incidents]
    assert told == [(1, sample, WRONG[what], False) for sample in hurt]
    x = drawn(0)
    for step, eps in enumerate(fresh):
        picture = torch.sigmoid(x)
        white = tilt.whitening.precondition(picture * (1 - picture), x)
        noise = math.sqrt(0.1) * white + math.sqrt(0.9) * eps
        if step == 1:
            noise[hurt] = eps[hurt]
        x = x / 2 + 0.5 * noise
    torch.testing.assert_close(found, x / 2)


def test_after_a_failure_the_rest_is_plain():
    tilted = TiltedNoise(NoiseTilt(WhiteGaussianProjector(), 0.5), 4, brightness)
    tilted.fail(drawn(0), "no memory")
    assert tilted.rho == 0 and torch.equal(tilted(drawn(1)), drawn(1))
    sample(tilted, 3)
    assert tilted.record.stop_reason == "no memory" and len(tilted.record.rewards) == 1


def test_an_evaluation_is_tried_again_in_a_new_context():
    failures, contexts = [RuntimeError("full"), RuntimeError("full")], []

    class Context:
        def __enter__(self):
            contexts.append(self)

        def __exit__(self, *error):
            pass

    def reward(images):
        if failures:
            raise failures.pop()
        return brightness(images)

    tilted = TiltedNoise(NoiseTilt(Unconstrained(), 0.5), 1, reward, None, Context, lambda error: "full" in str(error))
    sample(tilted, 1)
    assert len(contexts) == 4 and len(tilted.record.rewards) == 2
