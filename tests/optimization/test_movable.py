"""Searches that may change a part of the noise: the rest stays bit for bit, and the part is kept white by itself."""

from functools import partial

import pytest
import torch

from optimization import SeedsFirst, Stopping, ascend, best_of_seeds, local_search, spectral_evolution_search
from optimization.movable import MovablePart
from preconditioning import RECIPES, HaarBand, WhiteGaussianProjector
from preconditioning.recipes import SEARCH_RETRACTION, STEP_RULES
from preconditioning.white_noise import block_norm_deviations, project_white_gaussian

SHAPE = (3, 4, 8, 8)
NOISE = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
WISHED = torch.randn(SHAPE, generator=torch.Generator().manual_seed(2))
MOVABLE = torch.zeros(SHAPE, dtype=torch.bool)
MOVABLE[:2, :, 1:6, 2:8] = True
MOVABLE[2, :, 4:, :5] = True  # another place in another sample


def generate(noise):
    return noise[:, :3]


def reward(images):
    """Nearer to the wished noise is better, everywhere."""
    return -(images - WISHED[:, :3]).square().mean((1, 2, 3))


def draw(step):
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(100 + step))


def by_recipe(name, rule="as the method", **changes):
    recipe = RECIPES[name].stepping(rule)
    arguments = recipe.arguments(0.05 if recipe.adaptive else 5.0) | changes
    return partial(ascend, **arguments)


SEARCHES = {
    **{name: by_recipe(name) for name in RECIPES if name != "PRNO"},  # whose subsets want more elements than these
    **{rule: by_recipe("GPER", rule) for rule in STEP_RULES},
    "seeds first": by_recipe("GPER", seeds_first=SeedsFirst(4, draw)),
    "best of seeds": partial(best_of_seeds, draw=draw),
    "local search": partial(local_search, retract=SEARCH_RETRACTION),
    "spectral evolution": partial(spectral_evolution_search, band=HaarBand()),
}


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_the_rest_stays_and_the_part_improves(search):
    tried = []

    def seen(noise):
        tried.append(noise.detach().clone())
        return generate(noise)

    record = search(NOISE, seen, reward, stopping=Stopping(steps=12), movable=MOVABLE)
    assert all(torch.equal(noise[~MOVABLE], NOISE[~MOVABLE]) for noise in tried)
    assert torch.equal(record.best_noise[~MOVABLE], NOISE[~MOVABLE])
    assert (record.best_reward > record.rewards[0]).all()
    assert not torch.equal(record.best_noise, NOISE)


@pytest.mark.parametrize("rule", STEP_RULES)
@pytest.mark.parametrize("strength", [None, 0.3])
def test_it_is_the_search_of_the_part_alone(rule, strength):
    """As if the rest were a part of the generator."""
    from preconditioning.strength import retraction_within

    changes = {} if strength is None else {"retraction": partial(retraction_within, WhiteGaussianProjector(), strength)}
    search = by_recipe("GPER", rule, **changes)
    place = MOVABLE[:1]
    found = search(NOISE[:1], generate, lambda x: reward_of_first(x), stopping=Stopping(steps=8), movable=place)

    def generate_around(part):
        return generate(NOISE[:1].clone().masked_scatter(place, part))

    alone = search(NOISE[:1][place][None], generate_around, reward_of_first, stopping=Stopping(steps=8))
    torch.testing.assert_close(torch.stack(found.rewards), torch.stack(alone.rewards))
    torch.testing.assert_close(found.best_noise[place][None], alone.best_noise)


def reward_of_first(images):
    return -(images - WISHED[:1, :3]).square().mean((1, 2, 3))


def test_the_part_is_on_the_white_set_by_itself():
    record = by_recipe("GPER")(NOISE, generate, reward, stopping=Stopping(steps=20), movable=MOVABLE)
    for noise, movable in zip(record.best_noise, MOVABLE, strict=True):
        one_norm, energy = block_norm_deviations(noise[movable][None])
        assert one_norm.abs().max() < 1e-4 and energy.abs().max() < 1e-4


def test_everything_movable_is_the_search_without_a_mask():
    search = by_recipe("GPER")
    whole = search(NOISE, generate, reward, stopping=Stopping(steps=6))
    marked = search(NOISE, generate, reward, stopping=Stopping(steps=6), movable=torch.ones(SHAPE, dtype=torch.bool))
    torch.testing.assert_close(marked.best_noise, whole.best_noise)


def test_a_sample_of_which_nothing_may_change_is_taken_out():
    movable = MOVABLE.clone()
    movable[1] = False
    record = by_recipe("GPER")(NOISE, generate, reward, stopping=Stopping(steps=5), movable=movable)
    assert [(incident.sample, incident.what) for incident in record.incidents] == [(1, "the gradient is zero")]
    assert torch.equal(record.best_noise[1], NOISE[1]) and not torch.equal(record.best_noise[2], NOISE[2])


def test_parts_come_back_to_their_places():
    part = MovablePart(MOVABLE)
    assert sorted(tuple(rows.shape) for rows in part.parts(NOISE)) == [(1, 80), (2, 120)]
    assert torch.equal(part.put(NOISE, part.parts(NOISE)), NOISE)
    doubled = part.put(NOISE, [2 * rows for rows in part.parts(NOISE)])
    assert torch.equal(doubled, torch.where(MOVABLE, 2 * NOISE, NOISE))
    white = part.put(NOISE, [project_white_gaussian(rows) for rows in part.parts(NOISE)])
    for index in range(3):
        expected = project_white_gaussian(NOISE[index][MOVABLE[index]][None])[0]
        torch.testing.assert_close(white[index][MOVABLE[index]], expected)


def test_nothing_movable_is_refused():
    with pytest.raises(ValueError, match="Nothing of the noise may change"):
        by_recipe("GPER")(NOISE, generate, reward, movable=torch.zeros(SHAPE, dtype=torch.bool))
