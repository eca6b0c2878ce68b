"""Steps of one length: the momentum that keeps white directions white, and the schedule of the length."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from optimization import Stopping, ascend
from preconditioning import RECIPES, measure_whiteness
from preconditioning.recipes import OPTIMIZERS
from preconditioning.step_schedules import SCHEDULES, falling
from preconditioning.unit_momentum import UnitMomentum

pytestmark = pytest.mark.numerical

SHAPE = (2, 4, 8, 8)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def rms(x):
    return x.flatten(1).double().square().mean(1).sqrt()


def stepped(gradients, **settings):
    """The positions after each of the gradients."""
    x = torch.zeros_like(gradients[0]).requires_grad_(True)
    stepper, positions = UnitMomentum([x], **settings), []
    for gradient in gradients:
        x.grad = gradient.clone()
        stepper.step()
        positions.append(x.detach().clone())
    return positions


def test_the_formula():
    """Against the same written out in numpy, sample by sample."""
    gradients = [10.0**-k * torch.randn(SHAPE, generator=generator(k), dtype=torch.float64) for k in range(4)]
    positions = stepped(gradients, lr=0.3, momentum=0.7)
    for i in range(2):
        x, v = np.zeros(SHAPE[1:]), np.zeros(SHAPE[1:])
        for gradient, position in zip(gradients, positions, strict=True):
            g = gradient[i].numpy()
            g = g / math.sqrt((g**2).mean())
            v = 0.7 * v + g
            d = g + 0.7 * v
            x = x - 0.3 * d / math.sqrt((d**2).mean())
            np.testing.assert_allclose(position[i].numpy(), x, rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-20, 1e-8, 1.0, 1e8, 1e30])
def test_one_learning_rate_is_one_length_whatever_the_gradient(scale):
    gradients = [scale * torch.randn(SHAPE, generator=generator(k)) for k in range(5)]
    before = torch.zeros(SHAPE)
    for position in stepped(gradients, lr=0.02):
        torch.testing.assert_close(
            rms(position - before), torch.full((2,), 0.02, dtype=torch.float64), rtol=1e-4, atol=0
        )
        before = position


def test_a_steady_gradient_is_followed_as_adam_follows_it():
    """Of elements +-1, Adam's step has the same length and direction."""
    gradient = torch.randn(SHAPE, generator=generator()).sign()
    with_momentum = stepped([gradient] * 6, lr=0.02)[-1]
    x = torch.zeros(SHAPE, requires_grad=True)
    adam = torch.optim.Adam([x], lr=0.02)
    for _ in range(6):
        x.grad = gradient.clone()
        adam.step()
    torch.testing.assert_close(with_momentum, x.detach(), rtol=1e-4, atol=1e-6)


def test_samples_do_not_see_each_other():
    gradients = [
        torch.randn(SHAPE, generator=generator(k)) * torch.tensor([1.0, 1e-5]).view(2, 1, 1, 1) for k in range(4)
    ]
    together = stepped(gradients, lr=0.1)[-1]
    for i in range(2):
        torch.testing.assert_close(stepped([g[i : i + 1] for g in gradients], lr=0.1)[-1][0], together[i])


def test_a_zero_gradient_rests_or_rolls_on():
    zero, push = torch.zeros(SHAPE), torch.ones(SHAPE)
    assert torch.equal(stepped([zero, zero], lr=0.1)[-1], zero)
    torch.testing.assert_close(stepped([push, zero], lr=0.1)[-1], -0.2 * push)


def test_the_input_gradient_is_not_changed():
    x = torch.zeros(SHAPE, requires_grad=True)
    x.grad = torch.randn(SHAPE, generator=generator())
    before = x.grad.clone()
    UnitMomentum([x], lr=0.1).step()
    assert torch.equal(x.grad, before)


@pytest.mark.parametrize("settings", [dict(lr=0.0), dict(lr=math.nan), dict(lr=0.1, momentum=1.0)])
def test_settings_that_cannot_be_meant(settings):
    with pytest.raises(ValueError, match="set it"):
        UnitMomentum([torch.zeros(1, 1)], **settings)


def test_it_keeps_the_values_of_noise_normal_where_adam_does_not():
    """Gradients that are projected onto the white-Gaussian set, pointing to one place: the tails stay."""
    noise = torch.randn(4, 4, 32, 32, generator=generator(1))
    target = torch.randn(4, 4, 32, 32, generator=generator(2))

    def reward(images):
        return (images * target).flatten(1).mean(1)

    kurtosis = {}
    for optimizer in ("Adam", "Momentum"):
        recipe = replace(RECIPES["GPER"], optimizer=optimizer)
        record = ascend(noise, lambda x: x, reward, **recipe.arguments(0.1), stopping=Stopping(steps=40))
        kurtosis[optimizer] = measure_whiteness(record.best_noise).excess_kurtosis
    assert (kurtosis["Adam"] < -0.4).all() and (kurtosis["Momentum"].abs() < 0.25).all(), kurtosis


def test_the_schedules():
    assert {"constant": None, "falling": falling} == SCHEDULES
    shares = torch.linspace(0, 1, 11).tolist()
    lengths = [falling(share) for share in shares]
    assert lengths[0] == 1 and lengths[-1] == pytest.approx(0.05) and lengths[5] == pytest.approx(0.525)
    assert all(a > b for a, b in zip(lengths, lengths[1:], strict=False))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_the_length_falls_over_the_planned_steps(optimizer, steps):
    """The learning rate that the optimizer has at each of its steps."""
    rates = []
    arguments = replace(RECIPES["none"], optimizer=optimizer, schedule="falling").arguments(0.5)
    make = arguments["optimizer"]

    def watched(parameters):
        stepper = make(parameters)
        stepper.register_step_pre_hook(lambda stepper, *_: rates.append(stepper.param_groups[0]["lr"]))
        return stepper

    ascend(
        torch.randn(SHAPE),
        torch.sigmoid,
        lambda x: x.mean((1, 2, 3)),
        **arguments | {"optimizer": watched},
        stopping=Stopping(steps=steps),
    )
    assert rates == pytest.approx([0.5 * falling(k / max(1, steps - 1)) for k in range(steps)])


def test_a_recipe_with_the_published_schedule_and_no_limit_is_the_published_one():
    for recipe in RECIPES.values():
        assert (recipe.schedule, recipe.strength) == ("constant", 1.0)
        arguments = recipe.arguments(0.1)
        assert arguments["schedule"] is None and arguments["retraction"] is None


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_with_a_strength_stays_near_its_start(name):
    noise = torch.randn(SHAPE, generator=generator(5))
    recipe = replace(RECIPES[name], strength=0.1)
    reach = {}
    for limited in (False, True):
        arguments = (recipe if limited else RECIPES[name]).arguments(recipe.learning_rate(0.2))
        record = ascend(noise, torch.sigmoid, lambda x: x.sum((1, 2, 3)), **arguments, stopping=Stopping(steps=20))
        center = recipe.preconditioner.retract(noise)
        cosine = torch.nn.functional.cosine_similarity(record.best_noise.flatten(1), center.flatten(1))
        reach[limited] = cosine
    assert (reach[True] >= math.cos(0.05 * math.pi) - 1e-6).all() and (record.best_reward > record.rewards[0]).all()
    assert (reach[False] < reach[True]).all()
