"""The world is made for white noise: what is not white shows, to the judge of realism as to the eye."""

import pytest
import torch

from demo_world.off_prior import CORRUPTIONS


@pytest.fixture(scope="module")
def white_error(world, fresh):
    return world.realism_error(world.generate(fresh[0], fresh[2])).mean()


@pytest.mark.parametrize("name", list(CORRUPTIONS))
def test_noise_that_is_not_white_breaks_pictures(world, fresh, white_error, name):
    noise, _, names = fresh
    corrupted = world.realism_error(world.generate(CORRUPTIONS[name](noise), names)).mean()
    assert corrupted >= 2 * white_error


@pytest.mark.parametrize("name", ["blurred", "striped"])
def test_corrupted_noise_keeps_the_norm_of_white_noise(fresh, name):
    norm = CORRUPTIONS[name](fresh[0]).flatten(1).norm(dim=1)
    torch.testing.assert_close(norm, torch.full_like(norm, 32.0))
