"""Scenes, latents and the painter's pictures of 128 and 256 pixels."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from demo_world import flow, load_flow, load_realism
from demo_world.composition import composition, enlarged, remainder
from demo_world.layout import to_latent
from demo_world.painter import paint
from demo_world.scene import plan

LARGER = [2, 4]
BEFORE = Path(__file__).with_name("scenes_of_64_pixels.safetensors")


def draw(scale=1, count=4, seed=0):
    noise = torch.randn(count, 16, 8, 8, generator=torch.Generator().manual_seed(seed))
    if scale > 1:
        noise = enlarged(noise, scale, torch.Generator().manual_seed(seed + 1))
    return noise, torch.arange(count) % 4


@pytest.fixture(scope="module")
def before():
    """Of each prompt one noise, and what the code made of it before there were larger sizes.

    That it is the same to the bit can only be told on one processor: another may add in another order.
    """
    return load_file(BEFORE)


def test_scenes_of_64_pixels_are_what_they_were(before):
    scene = plan(before["noise"], torch.arange(4))
    torch.testing.assert_close(to_latent(scene), before["latent"], atol=1e-6, rtol=0)
    torch.testing.assert_close(paint(scene)[0], before["pictures"], atol=2e-6, rtol=0)


@pytest.mark.numerical
def test_pictures_of_64_pixels_are_judged_as_they_were(before):
    torch.testing.assert_close(load_realism()(before["pictures"]), before["errors"], atol=0, rtol=1e-4)


@pytest.mark.numerical
@torch.no_grad()
def test_the_model_of_many_steps_is_what_it_was(before):
    pytest.importorskip("diffusers")
    latent = flow.euler(load_flow(), before["noise"], torch.arange(4), 2)
    torch.testing.assert_close(latent, before["flow"], atol=1e-5, rtol=0)


@pytest.mark.parametrize("scale", LARGER)
def test_enlarged_noise_paints_the_same_scene(scale):
    small, large = plan(*draw()), plan(*draw(scale))
    for name, value in vars(small).items():
        if name not in ("scale", "fine"):
            torch.testing.assert_close(getattr(large, name), value, atol=1e-4, rtol=1e-4)
    picture, larger = paint(small)[0], paint(large)[0]
    assert larger.shape == (4, 3, 64 * scale, 64 * scale)
    shown = F.interpolate(larger, size=(64, 64), mode="area")
    other = (picture - picture.roll(1, 0)).abs().mean()
    assert (shown - picture).abs().mean() < 0.2 * other


@pytest.mark.parametrize("scale", LARGER)
def test_fine_detail_hangs_on_the_remainder_alone(scale):
    noise, prompt = draw(scale)
    fresh = torch.randn(noise.shape, generator=torch.Generator().manual_seed(9))
    scene, other = plan(noise, prompt), plan(noise - remainder(noise) + remainder(fresh), prompt)
    torch.testing.assert_close(other.clouds, scene.clouds, atol=1e-4, rtol=1e-4)
    moved = plan(fresh - remainder(fresh) + remainder(noise), prompt)
    assert (moved.clouds - scene.clouds).abs().mean() > 0.1
    for name, value in vars(scene.fine).items():
        torch.testing.assert_close(getattr(moved.fine, name), value, atol=1e-4, rtol=1e-4)
        assert (getattr(other.fine, name) - value).abs().mean() > 0.1


@pytest.mark.parametrize("scale", LARGER)
def test_fine_detail_is_modest_and_shows(scale):
    scene = plan(*draw(scale, 2))
    plain = replace(scene, fine=replace(scene.fine, **{k: 0 * v for k, v in vars(scene.fine).items()}))
    difference = (paint(scene)[0] - paint(plain)[0]).abs()
    assert 0.003 < difference.mean() < 0.04


@pytest.mark.parametrize("scale", LARGER)
def test_every_element_of_the_noise_matters(scale):
    noise, prompt = draw(scale)
    noise.requires_grad_(True)
    (gradient,) = torch.autograd.grad(to_latent(plan(noise, prompt)).square().sum(), noise)
    assert (gradient != 0).all()


def moved_sun(scene, x):
    """Alone in the sky, its left rim at `x` in the row of pixels below 14 units."""
    return replace(scene, sun=torch.tensor([[x + 6.5, 14 + 0.5 / scene.scale]]).expand(2, 2))


def moved_house(scene, x):
    """The second one, dark, its left wall at `x`."""
    houses = scene.houses.clone()
    houses[:, :, 1] = torch.tensor([1.0, (x + 5 - 24) / 1.5, 0, 0, 0, -1])
    return replace(scene, houses=houses)


@pytest.mark.parametrize("scale", [1, *LARGER])
@pytest.mark.parametrize("move, x, y", [(moved_sun, 20, 14), (moved_house, 19, 54)])
def test_edges_are_anti_aliased_over_one_pixel(scale, move, x, y):
    """An edge that crosses a pixel in eight steps changes its colour by an eighth each time, and no other pixel's."""
    scene = plan(*draw(scale, 2))
    scene = replace(scene, warmth=0 * scene.warmth, light=0 * scene.light, contrast=0 * scene.contrast)
    if scene.fine is not None:
        scene = replace(scene, fine=replace(scene.fine, clouds=0 * scene.fine.clouds))
    scene = replace(scene, clouds=torch.full_like(scene.clouds, -9.0), sparks=torch.full_like(scene.sparks, -1.0))
    shares = torch.arange(9) / 8
    rows = torch.stack([paint(move(scene, x + s / scale))[0][:, :, y * scale] for s in shares.tolist()])
    edge = rows[..., x * scale]
    covered, free = edge[0], edge[-1]
    assert ((covered - free).abs().amax(1) > 0.1).all()
    expected = covered + shares[:, None, None] * (free - covered)
    torch.testing.assert_close(edge, expected, atol=0.02, rtol=0)
    for beside in (x * scale - 1, x * scale + 1):
        assert (rows[..., beside] - rows[0, ..., beside]).abs().max() < 0.02


@pytest.mark.parametrize("scale", LARGER)
def test_offsets_in_the_latent_point_to_the_object(scale):
    scene = plan(*draw(scale))
    latent = to_latent(scene)
    places = (torch.arange(8 * scale) + 0.5) * 8 / scale
    for row in range(0, 5 * scale, 3):
        for column in range(0, 8 * scale, 3):
            score, dx, dy = scene.sparks[:, :, row // scale, column // scale].unbind(1)
            x, y = column // scale * 8 + 4 + 1.5 * dx, row // scale * 8 + 4 + 1.5 * dy
            expected = torch.stack([score, (x - places[column]) / 4, (y - places[row]) / 4], 1)
            torch.testing.assert_close(latent[:, 12:15, row, column], expected)
    for row in range(6 * scale, 8 * scale, 3):
        for column in range(0, 8 * scale, 3):
            score, dx, dy = scene.houses[:, :3, column // (2 * scale)].unbind(1)
            x, y = column // (2 * scale) * 16 + 8 + 1.5 * dx, 61.5 + 1.2 * dy
            expected = torch.stack([score, (x - places[column]) / 6, (y - places[row]) / 8], 1)
            torch.testing.assert_close(latent[:, 12:15, row, column], expected)


def test_the_latent_tells_size_and_height():
    codes = [to_latent(plan(*draw(scale)))[:, :2].abs() for scale in (1, 2, 4)]
    first = [code[:, 0] for code in codes]
    assert all((low.max() < high.min()) for low, high in zip(first, first[1:], strict=False))
    for code in codes[1:]:
        assert (code[:, 1].diff(dim=1) > 0).all() and (code[:, 1].diff(dim=2) == 0).all()


def test_composition_of_larger_noise_is_what_is_planned():
    noise, prompt = draw(2)
    assert torch.equal(plan(noise, prompt).clouds, plan(composition(noise), prompt).clouds)
