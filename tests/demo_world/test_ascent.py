"""Climbing the reward breaks pictures without protection, and improves them with it."""

import pytest
import torch

from preconditioning import project_white_gaussian

STEPS = 12


def climb(world, noise, names, project, step_size=0.05):
    noise = noise.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([noise], lr=step_size)
    for _ in range(STEPS):
        score = world.reward(world.generate(noise, names))
        (gradient,) = torch.autograd.grad(-score.sum(), noise)
        noise.grad = project_white_gaussian(gradient) if project else gradient
        optimizer.step()
        if project:
            with torch.no_grad():
                noise.copy_(project_white_gaussian(noise))
    return world.generate(noise.detach(), names)


@pytest.fixture(scope="module")
def climbed(world, fresh):
    noise, names = fresh[0][:4], fresh[2][:4]
    return [world.generate(noise, names)] + [climb(world, noise, names, project) for project in (False, True)]


def test_both_raise_the_reward(world, climbed):
    start, free, projected = (world.reward(pictures).mean() for pictures in climbed)
    assert free > start + 1.5 and projected > start + 1.5


def test_only_unprotected_ascent_breaks_pictures(world, climbed):
    start, free, projected = (world.realism_error(pictures).mean() for pictures in climbed)
    assert free > 1.7 * projected
    assert free > 2 * start


def test_held_out_reward_prefers_the_protected(world, climbed):
    start, free, projected = (world.held_out_reward(pictures).mean() for pictures in climbed)
    assert projected > start and projected > free
