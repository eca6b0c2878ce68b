"""The model of many steps, and its two samplers."""

import pytest
import torch
from safetensors import safe_open

from demo_world import asset_path, flow, load_flow
from demo_world.layout import PROMPT_CODES

pytestmark = pytest.mark.numerical


@pytest.fixture(scope="module")
def model():
    pytest.importorskip("diffusers")
    return load_flow()


class Gaussian:
    """What a perfect model of latents with a standard deviation of `spread` would answer."""

    def __init__(self, spread):
        self.variance = spread**2

    def velocity(self, x, prompt, sigma):
        sigma = sigma[:, None, None, None]
        denoised = x * self.variance * (1 - sigma) / (self.variance * (1 - sigma) ** 2 + sigma**2)
        return (x - denoised) / sigma


@pytest.mark.parametrize("sampler", [flow.euler, flow.euler_ancestral])
@pytest.mark.parametrize("spread", [0.4, 1.0, 2.0])
def test_a_perfect_model_gives_its_distribution(sampler, spread):
    noise = torch.randn(40, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    latent = sampler(Gaussian(spread), noise, None, steps=300)
    assert latent.std() == pytest.approx(spread, rel=0.02)


def test_steps_end_at_the_noise_level_that_comes_next():
    """Of latents that are all alike, what is left is noise of that level."""
    latent = torch.full((1, 16, 8, 8), 0.7)
    now, then = torch.tensor(0.8), torch.tensor(0.6)
    noise = torch.randn(2, 200, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    mean, size = flow.ancestral_step((1 - now) * latent + now * noise[0], latent, now, then)
    x = mean + size * noise[1]
    assert x.mean() == pytest.approx(0.4 * 0.7, abs=0.01)
    assert (x - 0.4 * 0.7).std() == pytest.approx(0.6, rel=0.01)
    assert abs(torch.corrcoef(torch.stack([x.flatten(), noise[0].flatten()]))[0, 1]) < 0.8


def test_its_file_has_the_keys_of_diffusers_flux(model):
    with safe_open(asset_path("flow"), framework="pt") as file:
        assert set(file.keys()) == set(model.transformer.state_dict())


def test_weights_are_frozen(model):
    assert not any(parameter.requires_grad for parameter in model.parameters())


@torch.no_grad()
def test_pictures_are_sound_and_follow_their_prompt(model, world, fresh):
    """Geometric means: of 24 pictures, the mean would be that of the worst."""
    noise, index, names = (part[:24] for part in fresh)

    def error(latent):
        return world.realism_error(world.decode(latent)).log().mean().exp()

    limit = 1.5 * error(world.denoised(noise, names))
    for latent in (
        flow.euler(model, noise, index),
        flow.euler_ancestral(model, noise, index, torch.Generator().manual_seed(1)),
    ):
        assert error(latent) < limit
        codes = latent[:, :2].mean((2, 3))
        assert (codes - torch.tensor(PROMPT_CODES)[index]).abs().max() < 0.2


@torch.no_grad()
def test_noise_decides_which_picture_it_is(model, fresh):
    noise, index, _ = (part[:2] for part in fresh)
    day = torch.zeros_like(index)
    first, second = flow.euler(model, noise, day, 8)
    assert (first - second).abs().mean() > 0.3
    assert torch.equal(flow.euler(model, noise, day, 8)[0], first)
