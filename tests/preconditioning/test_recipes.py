"""The recipes against what the papers say, and against those who use them."""

import inspect
from contextlib import nullcontext

import pytest
import torch

from benchmarks.comparison.contenders import METHODS, Task
from optimization import Stopping, ascend
from preconditioning import RECIPES
from preconditioning.recipes import FLUX_LEARNING_RATE, OPTIMIZERS, SDXL_LEARNING_RATE

pytestmark = pytest.mark.numerical

PUBLISHED = {  # optimizer, clip, weight of the penalty
    "GPER": ("Adam", 0.03, None),
    "MPGR": ("Nesterov", 0.01, 1.0),
    "PRNO": ("AdamW", 1.0, 1.0),
    "ReNO": ("Nesterov", 0.1, 0.01),
    "none": ("Adam", 0.03, None),
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_the_published_one(name):
    recipe = RECIPES[name]
    assert (recipe.optimizer, recipe.clip, getattr(recipe.preconditioner, "weight", None)) == PUBLISHED[name]


def test_default_learning_rates():
    of_flux, of_sdxl = (
        [recipe.learning_rate(rate) for recipe in RECIPES.values()] for rate in (FLUX_LEARNING_RATE, SDXL_LEARNING_RATE)
    )
    assert of_flux == [0.02, 50, 0.02, 5, 0.02] and of_sdxl == [0.1, 50, 0.1, 5, 0.1]


def test_the_ascent_is_the_paper_s_by_default():
    defaults = {name: entry.default for name, entry in inspect.signature(ascend).parameters.items()}
    of_paper = RECIPES["GPER"].arguments(FLUX_LEARNING_RATE)
    assert defaults["max_gradient_norm"] == of_paper["max_gradient_norm"]
    default, published = (make([torch.zeros(1)]) for make in (defaults["optimizer"], of_paper["optimizer"]))
    assert type(default) is type(published) and default.defaults == published.defaults


@pytest.mark.parametrize("name, momentum, nesterov", [("Nesterov", 0.9, True), ("SGD", 0, False)])
def test_the_optimizers_are_the_named_ones(name, momentum, nesterov):
    group = OPTIMIZERS[name].make([torch.zeros(1)], lr=1.0).param_groups[0]
    assert (group["momentum"], group["nesterov"]) == (momentum, nesterov)


@pytest.mark.parametrize(
    "contender, name", [("none", "none"), ("reno", "ReNO"), ("prno", "PRNO"), ("mpgr", "MPGR"), ("gper", "GPER")]
)
def test_what_is_measured_is_what_ships(contender, name):
    """An ascent of the benchmark against one made from the recipe, bit for bit."""
    noise = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    target = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(4))
    measured = METHODS[contender]

    def reward(images):
        return -(images - target).square().flatten(1).mean(1)

    task = Task(noise, lambda x: x, reward, (0, 1), nullcontext)
    size = measured.step_sizes[0]
    record = measured.run(task, size, 4, lambda step: None)
    shipped = ascend(noise, lambda x: x, reward, **RECIPES[name].arguments(size), stopping=Stopping(steps=4))
    assert torch.equal(record.best_noise, shipped.best_noise) and not torch.equal(record.best_noise, noise)
