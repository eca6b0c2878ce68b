"""Spectral evolution search against the same written out slowly, sample by sample."""

import math

import numpy as np
import pytest
import torch

from optimization import Stopping, spectral_evolution_search
from optimization.local_search import SEED_SHIFT
from preconditioning import HaarBand

pytestmark = pytest.mark.numerical

SHAPE = (2, 16, 32)
TARGETS = torch.randn(3, 1, *SHAPE, generator=torch.Generator().manual_seed(9))


def start_noise(batch=3, seed=0):
    return torch.randn(batch, *SHAPE, generator=torch.Generator().manual_seed(seed))


def likeness(noises):
    """Each sample has a target of its own."""
    return torch.stack([(x * target[0]).mean() for x, target in zip(noises, TARGETS, strict=False)])


def evolve(noise=None, reward=likeness, **options):
    noise = start_noise() if noise is None else noise
    return spectral_evolution_search(noise, lambda x: x, reward, band=HaarBand(), **options)


def slow_reference(noise, steps, population, elites, seed):
    """All noises tried, (steps + 1, B, ...), by loops in numpy; only the random numbers are shared."""
    batch, d, side = len(noise), SHAPE[0] * 1 * 2, 16
    generator = torch.Generator().manual_seed((seed + SEED_SHIFT) % 2**64)
    z = noise.double().numpy()

    def coefficients(sample):
        return [side * sample[c, :, side * j : side * (j + 1)].mean() for c in range(SHAPE[0]) for j in range(2)]

    def rebuilt(sample, coarse):
        out = sample.copy()
        for c in range(SHAPE[0]):
            for j in range(2):
                block = out[c, :, side * j : side * (j + 1)]
                block += coarse[2 * c + j] / side - block.mean()
        return out

    tried = [z]
    seen = [[(float(likeness_of(z[i], i)), coefficients(z[i]))] for i in range(batch)]
    mean, variance = np.zeros((batch, d)), np.ones((batch, d))
    for k in range(steps):
        if k and k % population == 0:
            for i in range(batch):
                best = np.array([c for _, c in sorted(seen[i], key=lambda pair: -pair[0])[:elites]])
                mean[i], variance[i] = best.mean(0), best.var(0, ddof=1) + 1e-7
        draws = torch.randn(batch, d, generator=generator).double().numpy()
        new = []
        for i in range(batch):
            x = mean[i] + np.sqrt(variance[i]) * draws[i]
            x *= math.sqrt(d) / math.sqrt(sum(x**2))
            new.append(rebuilt(z[i], x))
            seen[i].append((float(likeness_of(new[-1], i)), list(x)))
        tried.append(np.stack(new))
    return np.stack(tried)


def likeness_of(sample, i):
    return (sample * TARGETS[i, 0].double().numpy()).mean()


@pytest.mark.parametrize("population, elites", [(10, 5), (4, 2), (3, 7)])
def test_the_algorithm(population, elites):
    evaluated = []
    spectral_evolution_search(
        start_noise(),
        lambda x: evaluated.append(x.clone()) or x,
        likeness,
        band=HaarBand(),
        population=population,
        elites=elites,
        seed=4,
        stopping=Stopping(steps=35),
    )
    expected = slow_reference(start_noise(), 35, population, elites, 4)
    np.testing.assert_allclose(torch.stack(evaluated).numpy(), expected, atol=2e-5)


def test_candidates_are_as_loud_as_noise_and_keep_its_details():
    evaluated, band, noise = [], HaarBand(), start_noise()
    evolve(noise, reward=lambda x: evaluated.append(x.clone()) or likeness(x), stopping=Stopping(steps=60))
    details = noise - band.replaced(torch.zeros_like(noise), band.coefficients(noise))
    assert torch.equal(evaluated[0], noise)
    for x in evaluated[1:]:
        coarse = band.coefficients(x)
        torch.testing.assert_close(coarse.square().mean(1), torch.ones(3), rtol=1e-4, atol=0)
        torch.testing.assert_close(x - band.replaced(torch.zeros_like(x), coarse), details, rtol=0, atol=1e-5)


def test_it_finds_what_the_band_can_give():
    """The best that coefficients of this norm can do for a linear reward is to lie along its gradient."""
    noise, band = start_noise(), HaarBand()
    record = evolve(noise, stopping=Stopping(steps=400))
    along = band.coefficients(TARGETS[:, 0])
    ideal = band.replaced(noise, along / along.norm(dim=1, keepdim=True) * along.shape[1] ** 0.5)
    gained = (record.best_reward - record.rewards[0]) / (likeness(ideal) - record.rewards[0])
    assert (gained > 0.9).all() and (gained < 1.0001).all()


def test_a_sample_without_scores_keeps_the_first_distribution():
    """Half of the rewards of one sample are not finite; another one has none at all."""
    calls = iter(range(1000))

    def breaks(x):
        return likeness(x) * torch.tensor([1.0, math.nan if next(calls) % 2 else 1.0, math.nan])

    record = evolve(reward=breaks, stopping=Stopping(steps=80))
    assert torch.equal(record.best_noise[2], start_noise()[2])
    assert (record.best_step[:2] > 30).all() and (record.best_reward[:2] > record.rewards[0][:2]).all()


def test_samples_search_apart():
    together = evolve(stopping=Stopping(steps=25)).reward_history()
    changed = start_noise()
    changed[0] = 5.0
    assert torch.equal(evolve(changed, stopping=Stopping(steps=25)).reward_history()[:, 1:], together[:, 1:])


@pytest.mark.parametrize("settings, message", [(dict(population=0), "population"), (dict(elites=1), "elites")])
def test_settings_that_cannot_be_meant(settings, message):
    with pytest.raises(ValueError, match=message):
        evolve(**settings)
