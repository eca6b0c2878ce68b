"""The searches without gradients: what all share with the ascent, and what each does on its own."""

import math

import pytest
import torch

from optimization import Stopping, best_of_seeds, local_search, spectral_evolution_search
from preconditioning import HaarBand

from .hills import as_picture, brightness, start_noise

pytestmark = pytest.mark.numerical


def fresh_noise(batch):
    return lambda step: start_noise(batch, seed=1000 + step)


def unchanged(noise):
    return noise


def random_search(noise, generate=as_picture, reward=brightness, **options):
    return best_of_seeds(noise, generate, reward, draw=fresh_noise(len(noise)), **options)


def near_search(noise, generate=as_picture, reward=brightness, retract=unchanged, **options):
    return local_search(noise, generate, reward, retract=retract, **options)


def evolution(noise, generate=as_picture, reward=brightness, **options):
    return spectral_evolution_search(noise, generate, reward, band=HaarBand(1), **options)


all_searches = pytest.mark.parametrize("search", [random_search, near_search, evolution])


@all_searches
def test_the_best_of_each_sample_is_kept(search):
    noise = start_noise(3)
    untouched = noise.clone()
    record = search(noise, stopping=Stopping(steps=30))
    history = record.reward_history()
    assert torch.equal(noise, untouched)
    assert history.shape == (31, 3) and len(record.seconds) == 31 and record.steps == 30
    assert torch.equal(history[0], brightness(as_picture(noise)))
    assert torch.equal(record.best_reward, history.max(0).values)
    assert torch.equal(record.best_step, history.argmax(0))
    assert (record.best_reward > history[0]).all()
    assert torch.equal(brightness(as_picture(record.best_noise)), record.best_reward)
    assert record.stop_reason == "all 30 steps done"


@all_searches
def test_a_start_that_nothing_beats_is_returned_as_it_was(search):
    noise = start_noise()
    record = search(noise, reward=lambda images: -(images - as_picture(noise)).abs().mean((1, 2, 3)))
    assert torch.equal(record.best_noise, noise) and record.best_step.tolist() == [0, 0]


@all_searches
def test_no_graph_is_built(search):
    grad_modes, seen = [], []

    def generate(noise):
        grad_modes.append(torch.is_grad_enabled())
        return as_picture(noise)

    weight = torch.ones((), requires_grad=True)
    with torch.enable_grad():
        search(
            start_noise(),
            generate,
            lambda images: brightness(images) * weight,
            stopping=Stopping(steps=3),
            callback=seen.append,
        )
        search(start_noise(), generate, brightness, stopping=Stopping(steps=1), graph_context=torch.enable_grad)
    assert grad_modes == [False] * 6
    assert not any(step.images.requires_grad or step.rewards.requires_grad for step in seen)


@all_searches
def test_a_reward_without_a_gradient(search):
    def bright_pixels(images):
        return (images.round().to(torch.int64)).sum((1, 2, 3)).to(torch.float64)

    record = search(start_noise(), reward=bright_pixels, stopping=Stopping(steps=40))
    assert (record.best_reward > record.rewards[0]).all() and record.best_reward.dtype == torch.float32


@all_searches
def test_same_seed_is_bit_identical(search):
    first, second = (search(start_noise(), stopping=Stopping(steps=5)) for _ in range(2))
    assert torch.equal(first.best_noise, second.best_noise)
    assert torch.equal(first.reward_history(), second.reward_history())


@all_searches
@pytest.mark.parametrize(
    "limits, reason",
    [
        (dict(steps=4), "all 4 steps done"),
        (dict(steps=10000, target_reward=0.5), "reached the target reward 0.5"),
        (dict(steps=10000, seconds=1e-9), "the time budget of 1e-09 seconds is used up"),
    ],
)
def test_stops(search, limits, reason):
    record = search(start_noise(), stopping=Stopping(**limits))
    assert record.stop_reason == reason
    assert (record.best_reward >= 0.5).all() or "target_reward" not in limits


@all_searches
def test_patience_counts_from_the_last_improvement(search):
    noise = start_noise()
    record = search(
        noise,
        reward=lambda images: -(images - as_picture(noise)).abs().mean((1, 2, 3)),
        stopping=Stopping(steps=50, patience=3),
    )
    assert record.stop_reason == "no better noise for 3 steps" and record.steps == 3


@all_searches
def test_the_callback_sees_every_evaluation_and_can_end_the_run(search):
    seen = []

    def callback(step):
        seen.append(step)
        return "seen enough" if step.index == 4 else None

    record = search(start_noise(), callback=callback)
    assert record.stop_reason == "seen enough" and [step.index for step in seen] == [0, 1, 2, 3, 4]
    assert all(step.record is record and torch.equal(brightness(step.images), step.rewards) for step in seen)


@all_searches
def test_the_record_survives_an_exception_in_the_callback(search):
    seen = []

    def cancel(step):
        seen.append(step)
        if step.index == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(start_noise(), callback=cancel)
    record = seen[-1].record
    assert len(record.rewards) == 4
    assert torch.equal(brightness(as_picture(record.best_noise)), record.best_reward)


@all_searches
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_reward_that_is_not_finite_is_noted_and_passed_over(search, bad):
    """One evaluation says nothing of the next one, so its sample goes on."""
    calls = iter(range(100))

    def breaks_for_sample_one(images):
        rewards = brightness(images)
        return rewards * torch.tensor([1.0, bad]) if next(calls) == 2 else rewards

    record = search(start_noise(), reward=breaks_for_sample_one, stopping=Stopping(steps=30))
    assert [(i.step, i.sample, i.what, i.taken_out) for i in record.incidents] == [
        (2, 1, "the reward is not finite", False)
    ]
    assert record.steps == 30 and (record.best_step > 2).all()
    assert torch.equal(brightness(as_picture(record.best_noise)), record.best_reward)


@all_searches
def test_a_bad_start_does_not_end_the_search(search):
    calls = iter(range(100))
    record = search(
        start_noise(),
        reward=lambda images: brightness(images) * (1 if next(calls) else math.nan),
        stopping=Stopping(steps=20),
    )
    assert record.stop_reason == "all 20 steps done" and (record.best_step > 0).all()
    assert torch.equal(record.best_reward, record.reward_history()[1:].max(0).values)


@all_searches
def test_where_nothing_is_finite_the_start_noise_is_left(search):
    record = search(start_noise(), reward=lambda images: brightness(images) * math.nan, stopping=Stopping(steps=3))
    assert torch.equal(record.best_noise, start_noise()) and len(record.incidents) == 8


@all_searches
def test_half_precision_comes_back_as_it_was(search):
    record = search(start_noise().half(), stopping=Stopping(steps=2))
    assert record.best_noise.dtype == torch.float16


@all_searches
def test_wrong_inputs_are_named(search):
    with pytest.raises(ValueError, match="start noise"):
        search(torch.full((1, 3, 4, 4), math.nan))
    with pytest.raises(ValueError, match=r"one score per image, shape \(2,\)"):
        search(start_noise(), reward=lambda images: images.mean())


def test_best_of_seeds_evaluates_the_draws_in_order():
    evaluated = []
    best_of_seeds(
        start_noise(),
        lambda noise: evaluated.append(noise) or as_picture(noise),
        brightness,
        draw=fresh_noise(2),
        stopping=Stopping(steps=3),
    )
    assert len(evaluated) == 4
    assert all(torch.equal(x, start_noise(2, seed=1000 + k)) for k, x in enumerate(evaluated) if k)


def test_a_draw_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"shape \(3, 3, 4, 4\).*\(2, 3, 4, 4\)"):
        best_of_seeds(start_noise(), as_picture, brightness, draw=fresh_noise(3))


@pytest.mark.parametrize("radius", [0.01, 0.3, 1.0, math.sqrt(2)])
def test_candidates_lie_at_the_radius_on_the_sphere_of_their_pivot(radius):
    pivots, candidates = [], []

    def generate(noise):
        candidates.append(noise.clone())
        return as_picture(noise)

    def remember_pivot(step):
        pivots.append(step.record.best_noise)

    noise = start_noise(3)
    near_search(noise, generate, radius=radius, stopping=Stopping(steps=8), callback=remember_pivot)
    norms = noise.flatten(1).norm(dim=1)
    for pivot, candidate in zip(pivots[:-1], candidates[1:], strict=True):
        assert torch.allclose((candidate - pivot).flatten(1).norm(dim=1), radius * norms, rtol=1e-3)
        assert torch.allclose(candidate.flatten(1).norm(dim=1), norms, rtol=1e-4)
    assert any(not torch.equal(pivots[0], pivot) for pivot in pivots)


def test_candidates_are_retracted():
    """Everything evaluated after the start is what `retract` returned: here, noise of mean zero."""
    evaluated = []
    near_search(
        start_noise(),
        lambda noise: evaluated.append(noise.clone()) or as_picture(noise),
        reward=lambda images: images.std((1, 2, 3)),
        retract=lambda noise: noise - noise.mean((1, 2, 3), keepdim=True),
        stopping=Stopping(steps=5),
    )
    assert evaluated[0].mean((1, 2, 3)).abs().max() > 0.01
    assert all(noise.mean((1, 2, 3)).abs().max() < 1e-6 for noise in evaluated[1:])


def test_samples_search_apart():
    """One sample's reward does not decide whether another one moves."""
    sign = torch.tensor([1.0, -1.0])
    record = near_search(start_noise(), reward=lambda images: sign * brightness(images), stopping=Stopping(steps=60))
    rise = sign * (brightness(as_picture(record.best_noise)) - record.rewards[0] * sign)
    assert (rise > 0.01).all()


def test_a_zero_noise_has_no_sphere_and_stays():
    record = near_search(torch.zeros(1, 3, 4, 4), stopping=Stopping(steps=2))
    assert torch.equal(record.best_noise, torch.zeros(1, 3, 4, 4))


@pytest.mark.parametrize("radius", [0.0, -0.1, 1.5, math.nan])
def test_a_radius_out_of_range(radius):
    with pytest.raises(ValueError, match="search radius"):
        near_search(start_noise(), radius=radius)


def test_local_search_beats_fresh_seeds_on_a_smooth_reward():
    """Brightness of 48 pixels: the best of many draws grows like the square root of a logarithm, a climb goes on."""
    noise, stopping = start_noise(4), Stopping(steps=300)
    climbed, drawn = (search(noise, stopping=stopping).best_reward for search in (near_search, random_search))
    assert (climbed > drawn + 0.05).all()


def test_the_search_does_not_try_its_own_start_again():
    """The start noise is often drawn from the very seed that the search is given."""
    evaluated = []
    near_search(
        start_noise(seed=5),
        lambda noise: evaluated.append(noise.clone()) or as_picture(noise),
        seed=5,
        radius=math.sqrt(2),
        stopping=Stopping(steps=1),
    )
    assert torch.allclose(evaluated[1].flatten(1).norm(dim=1), evaluated[0].flatten(1).norm(dim=1))
    cosine = torch.nn.functional.cosine_similarity(evaluated[0].flatten(1), evaluated[1].flatten(1))
    assert cosine.abs().max() < 1e-5
