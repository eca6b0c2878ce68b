import copy
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

import demo_world
from demo_world import asset_path, conditions, load_flow
from demo_world.composition import SCALES
from demo_world.painter import paint
from demo_world.scene import PROMPTS, plan
from demo_world.world import CONDITIONS, FILES

pytestmark = pytest.mark.numerical


def test_assets_are_small_and_complete():
    assert sum(asset_path(name).stat().st_size for name in FILES) < 16_000_000


def test_model_card_gives_the_size_of_every_asset():
    card = (Path(demo_world.__file__).parent / "MODEL_CARD.md").read_text()
    for name in FILES:
        size = asset_path(name).stat().st_size
        assert f"| `{asset_path(name).stem}` |" in card and f"| {size:,} |" in card


def test_unknown_asset_is_named():
    with pytest.raises(ValueError, match="unknown asset 'vae'"):
        asset_path("vae")


def test_pictures_have_shape_range_and_repeat(world, fresh):
    noise, _, names = fresh
    pictures = world.generate(noise[:4], names[:4])
    assert pictures.shape == (4, 3, 64, 64) and pictures.dtype == torch.float32
    assert pictures.min() >= 0 and pictures.max() <= 1
    assert torch.equal(pictures, world.generate(noise[:4], names[:4]))


def test_one_prompt_serves_every_noise(world, fresh):
    noise = fresh[0][:3]
    assert torch.equal(world.generate(noise, "night"), world.generate(noise, ["night"] * 3))


@pytest.mark.parametrize(
    "prompt, message", [("dawn", "unknown prompt 'dawn'"), (["day"], "got 1 prompts for 2 noises")]
)
def test_wrong_prompts_are_named(world, prompt, message):
    with pytest.raises(ValueError, match=message):
        world.generate(torch.zeros(2, 16, 8, 8), prompt)


@pytest.mark.parametrize("scale", SCALES)
def test_pictures_of_every_scale_have_shape_range_and_repeat(world, scale):
    noise = torch.randn(1, 16, 8 * scale, 8 * scale, generator=torch.Generator().manual_seed(0))
    latent = world.denoised(noise, "day")
    assert latent.shape == noise.shape
    pictures = world.decode(latent)
    assert pictures.shape == (1, 3, 64 * scale, 64 * scale) and pictures.min() >= 0 and pictures.max() <= 1
    assert torch.equal(pictures, world.generate(noise, "day"))


def test_wrong_noise_is_named(world):
    with pytest.raises(ValueError, match=r"noise must be \(B, 16, 8, 8\).* got \(1, 4, 8, 8\)"):
        world.generate(torch.zeros(1, 4, 8, 8), "day")


def test_wrong_latents_are_named(world):
    with pytest.raises(ValueError, match=r"latent must be \(B, 16, 8, 8\).* pixels; got"):
        world.decode(torch.zeros(1, 16, 64, 64))


def test_weights_are_frozen(world):
    parts = (world.generator, world.decoder, world.reward, world.held_out_reward, world.realism_error)
    assert not any(p.requires_grad for part in parts for p in part.parameters())


@pytest.mark.parametrize("model", list(CONDITIONS))
def test_conditions_are_what_the_model_uses(world, model):
    table, network = conditions(model), world.generator if model == "generator" else load_flow()
    assert tuple(table) == PROMPTS == world.prompts
    for index, (context, pooled) in enumerate(table.values()):
        assert torch.equal(context[0], network.conditions.context[index])
        assert torch.equal(pooled[0], network.conditions.pooled[index])


def test_conditions_of_no_model_are_refused():
    with pytest.raises(ValueError, match="unknown model 'decoder': expected one of generator, flow"):
        conditions("decoder")


def test_transformer_file_has_the_keys_of_diffusers_flux(world):
    with safe_open(asset_path("generator"), framework="pt") as file:
        assert set(file.keys()) == set(world.generator.transformer.state_dict())


def slope(function, point, direction, step):
    with torch.no_grad():
        return (function(point + step * direction) - function(point - step * direction)) / (2 * step)


@pytest.mark.parametrize("half", ["noise to latent", "latent to score"])
def test_gradient_is_that_of_central_differences(world, fresh, half):
    """In double precision, but for diffusers' rotary embedding, which is in single and wants a larger step."""
    generator = torch.Generator().manual_seed(0)
    point = fresh[0][:2].double()
    weight, direction = torch.randn(2, *point.shape, generator=generator, dtype=point.dtype)
    parts = [copy.deepcopy(part).double() for part in (world.generator, world.decoder, world.reward)]
    if half == "noise to latent":

        def function(noise):
            return (parts[0](noise, fresh[1][:2]) * weight).sum()

        step, tolerance = 1e-3, 1e-3
    else:

        def function(latent):
            return parts[2](parts[1](latent)).sum()

        step, tolerance = 1e-7, 1e-4
    (gradient,) = torch.autograd.grad(function(point.requires_grad_(True)), point)
    expected = slope(function, point, direction, step)
    torch.testing.assert_close((gradient * direction).sum(), expected, rtol=tolerance, atol=0)


@pytest.mark.parametrize("scale, count, bound", [(1, 40, 0.025), (2, 8, 0.05), (4, 4, 0.06)])
def test_imitates_the_painter(world, scale, count, bound):
    noise = torch.randn(count, 16, 8 * scale, 8 * scale, generator=torch.Generator().manual_seed(987_654_322))
    index = torch.arange(count) % len(PROMPTS)
    pictures = world.generate(noise, [PROMPTS[i] for i in index.tolist()])
    error = (pictures - paint(plan(noise, index))[0]).abs().mean()
    assert error < bound
    other = paint(plan(noise.roll(1, 0), index))[0]
    assert error < 0.4 * (pictures - other).abs().mean()


def test_public_names():
    assert all(hasattr(demo_world, name) for name in demo_world.__all__)
