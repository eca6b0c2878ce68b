"""Seeds before an ascent: one run with two phases, against the two of them one after the other."""

import math
from contextlib import contextmanager

import pytest
import torch

from optimization import SeedsFirst, Stopping, ascend, best_of_seeds
from preconditioning import WhiteGaussianProjector

pytestmark = pytest.mark.numerical

SHAPE = (3, 4, 4)


def as_picture(noise):
    return torch.sigmoid(noise)


def brightness(images):
    return images.mean((1, 2, 3))


def start_noise(batch=3, seed=0):
    return torch.randn(batch, *SHAPE, generator=torch.Generator().manual_seed(seed))


def draw(step, batch=3):
    return start_noise(batch, seed=1000 + step)


def climb(noise=None, reward=brightness, count=5, generate=as_picture, **options):
    noise = start_noise() if noise is None else noise
    first = SeedsFirst(count, lambda step: draw(step, len(noise))) if count else None
    return ascend(noise, generate, reward, WhiteGaussianProjector(), seeds_first=first, **options)


def test_it_is_best_of_seeds_and_then_the_ascent():
    record = climb(stopping=Stopping(steps=6))
    seeds = best_of_seeds(start_noise(), as_picture, brightness, draw=draw, stopping=Stopping(steps=4))
    ascent = ascend(seeds.best_noise, as_picture, brightness, WhiteGaussianProjector(), stopping=Stopping(steps=6))
    history = torch.cat([seeds.reward_history(), ascent.reward_history()])
    assert torch.equal(record.reward_history(), history)
    assert torch.equal(record.best_noise, ascent.best_noise)
    assert torch.equal(record.best_seed, seeds.best_step) and len(set(seeds.best_step.tolist())) > 1
    assert torch.equal(record.start_reward, seeds.best_reward)
    assert torch.equal(record.best_step, history.argmax(0))
    assert (record.ascent_start, record.seeds, record.steps) == (5, 5, 6)
    assert len(record.seconds) == 12 and record.stop_reason == "all 6 steps done"


def test_without_seeds_it_is_the_ascent():
    plain = ascend(start_noise(), as_picture, brightness, WhiteGaussianProjector(), stopping=Stopping(steps=4))
    record = climb(count=0, stopping=Stopping(steps=4))
    assert torch.equal(record.best_noise, plain.best_noise)
    assert (record.ascent_start, record.seeds, record.steps) == (0, 0, 4)
    assert record.best_seed.tolist() == [0, 0, 0] and torch.equal(record.start_reward, record.rewards[0])


def test_seeds_are_looked_at_without_a_graph():
    modes = []

    def generate(noise):
        modes.append(torch.is_grad_enabled())
        return as_picture(noise)

    climb(generate=generate, stopping=Stopping(steps=2))
    assert modes == [False] * 5 + [True, True, False]


@pytest.mark.parametrize("end", [2, 5, 7])
def test_the_callback_can_end_either_phase_and_the_best_is_kept(end):
    seen = []

    def callback(step):
        seen.append(step)
        return "seen enough" if step.index == end else None

    record = climb(callback=callback)
    assert [step.index for step in seen] == list(range(end + 1)) and record.stop_reason == "seen enough"
    assert torch.equal(brightness(as_picture(record.best_noise)), record.best_reward)
    assert (record.seeds, record.steps) == (min(5, end + 1), max(0, end - 5))
    assert torch.equal(record.start_reward, record.reward_history()[:5].max(0).values)


@pytest.mark.parametrize("end", [2, 7])
def test_the_record_survives_an_exception_in_either_phase(end):
    seen = []

    def cancel(step):
        seen.append(step)
        if step.index == end:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        climb(callback=cancel)
    record = seen[-1].record
    assert len(record.rewards) == end + 1
    assert torch.equal(brightness(as_picture(record.best_noise)), record.best_reward)


@pytest.mark.parametrize("target, seeds, steps", [(0.45, 1, 0), (0.6, 5, None)])
def test_a_target_ends_the_run_where_it_is_reached(target, seeds, steps):
    record = climb(stopping=Stopping(steps=500, target_reward=target))
    assert record.stop_reason == f"reached the target reward {target:g}" and (record.best_reward >= target).all()
    assert record.seeds == seeds and (record.steps == steps if steps is not None else 0 < record.steps < 500)


@pytest.mark.parametrize("slow_call, seeds, steps", [(2, 3, 0), (8, 5, 3)])
def test_one_time_budget_for_both(slow_call, seeds, steps, monkeypatch):
    """A clock that jumps over the budget at one evaluation, in either phase."""
    calls, clock = [], [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])

    def generate(noise):
        if len(calls) == slow_call:
            clock[0] += 100
        calls.append(1)
        return as_picture(noise)

    record = climb(generate=generate, stopping=Stopping(steps=50, seconds=99))
    assert record.stop_reason == "the time budget of 99 seconds is used up"
    assert (record.seeds, record.steps) == (seeds, steps) and record.elapsed == 100
    assert torch.equal(brightness(as_picture(record.best_noise)), record.best_reward)


def test_patience_is_about_the_ascent():
    """Nine seeds that are no better than the first one do not use it up; the ascent then gets all of it."""
    falling = iter(range(100))

    def worse_every_time(images):
        return images.mean((1, 2, 3)) * 1e-6 - next(falling)

    record = climb(reward=worse_every_time, count=10, stopping=Stopping(steps=50, patience=3))
    assert record.stop_reason == "no better noise for 3 steps" and (record.seeds, record.steps) == (10, 3)


def test_patience_counts_from_the_last_improvement_of_the_ascent():
    """Better until the second update, worse afterwards."""
    values = iter([0.0, 0.0, 0.0, 1.0, 2.0, 3.0, *[0.0] * 50])
    record = climb(
        reward=lambda images: images.mean((1, 2, 3)) * 1e-6 + next(values),
        count=3,
        stopping=Stopping(steps=50, patience=4),
    )
    assert record.steps == 6 and record.best_step.tolist() == [5, 5, 5]


def test_seeds_that_are_not_finite_are_passed_over():
    calls = iter(range(100))

    def breaks(images):
        k = next(calls)
        broken = torch.tensor([math.nan if k in (0, 2) else 1.0, math.inf if k == 1 else 1.0, 1.0])
        return brightness(images) * broken

    record = climb(reward=breaks, stopping=Stopping(steps=3))
    assert [(i.step, i.sample, i.taken_out) for i in record.incidents] == [(0, 0, False), (1, 1, False), (2, 0, False)]
    history = record.reward_history()
    assert record.best_seed[0] in (1, 3, 4) and torch.isfinite(record.start_reward).all()
    assert torch.equal(record.start_reward, history[:5].where(history[:5].isfinite(), -torch.inf).max(0).values)
    assert (record.best_step > 5).all()


def test_a_sample_without_a_finite_seed_is_taken_out_as_the_ascent_begins():
    def breaks_for_sample_one(images):
        return brightness(images) * torch.tensor([1.0, math.nan, 1.0])

    record = climb(reward=breaks_for_sample_one, stopping=Stopping(steps=3))
    assert [(i.step, i.taken_out) for i in record.incidents] == [*((k, False) for k in range(5)), (5, True)]
    assert {i.sample for i in record.incidents} == {1} and record.steps == 3
    assert torch.equal(record.best_noise[1], start_noise()[1]) and record.best_seed[1] == 0


@pytest.mark.parametrize("broken_call", [2, 7])
def test_a_retried_evaluation_loses_nothing(broken_call):
    calls, contexts = [], []

    def generate(noise):
        calls.append(1)
        if len(calls) == broken_call:
            raise MemoryError("out of memory")
        return as_picture(noise)

    @contextmanager
    def context():
        contexts.append(1)
        yield

    record = climb(generate=generate, stopping=Stopping(steps=4), graph_context=context, retry=lambda error: True)
    expected = climb(stopping=Stopping(steps=4))
    assert len(calls) == 5 + 5 + 1 == len(contexts)
    assert torch.equal(record.reward_history(), expected.reward_history())
    assert torch.equal(record.best_noise, expected.best_noise)


def test_half_precision_comes_back_as_it_was():
    for stopping in (Stopping(steps=1), Stopping(steps=1, target_reward=-10)):  # after both phases, and in the first
        assert climb(start_noise().half(), stopping=stopping).best_noise.dtype == torch.float16


def test_time_per_step_is_that_of_the_ascent():
    record = climb(stopping=Stopping(steps=3))
    record.seconds = [100.0] * 5 + [9.0, 1.0, 3.0, 50.0]
    assert record.seconds_per_step == 2.0


@pytest.mark.parametrize("count", [1, 0, -3])
def test_a_count_that_tries_nothing(count):
    with pytest.raises(ValueError, match="set it to 2 or more"):
        SeedsFirst(count, draw)


def test_a_draw_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 3, 4, 4\).*\(3, 3, 4, 4\)"):
        first = SeedsFirst(3, lambda step: draw(step, 2))
        ascend(start_noise(), as_picture, brightness, WhiteGaussianProjector(), seeds_first=first)
