from dataclasses import replace

import pytest
import torch

from demo_world.painter import paint
from demo_world.palette import LIT
from demo_world.scene import PROMPTS, plan
from demo_world.taste import taste


def draw(count=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return plan(torch.randn(count, 16, 8, 8, generator=generator), torch.arange(count) % len(PROMPTS))


def in_plain_light(scene):
    flat = torch.zeros_like(scene.light)
    return replace(scene, warmth=flat, light=flat, contrast=torch.zeros(len(flat)))


def test_pictures_and_detail_are_in_range():
    pictures, detail = paint(draw(32))
    assert pictures.shape == (32, 3, 64, 64) and detail.shape == (32, 64, 64)
    assert pictures.min() >= 0 and pictures.max() <= 1
    assert detail.min() >= 0 and detail.max() <= 1


def test_same_scene_same_picture():
    assert torch.equal(paint(draw())[0], paint(draw())[0])


def test_prompts_differ():
    scene = plan(torch.zeros(4, 16, 8, 8), torch.arange(4))
    pictures, _ = paint(scene)
    for i in range(4):
        for j in range(i):
            assert (pictures[i] - pictures[j]).abs().mean() > 0.05


def test_the_sun_stands_where_the_scene_says():
    scene = replace(draw(1), sun=torch.tensor([[20.0, 12.0]]), clouds=torch.full((1, 10, 16), -3.0))
    moved = replace(scene, sun=torch.tensor([[44.0, 12.0]]))
    difference = (paint(scene)[0] - paint(moved)[0]).abs().sum(1)[0]
    assert difference[9:15, 17:23].mean() > 5 * difference[9:15, 0:6].mean()
    assert difference[9:15, 41:47].mean() > 5 * difference[9:15, 0:6].mean()


def test_light_does_what_it_is_called():
    scene = in_plain_light(draw(8))
    plain = paint(scene)[0].mean((2, 3))
    warm = paint(replace(scene, warmth=scene.warmth + 1))[0].mean((2, 3))
    assert (warm[:, 0] > plain[:, 0]).all() and (warm[:, 2] < plain[:, 2]).all()
    assert (paint(replace(scene, light=scene.light + 1))[0].mean((2, 3)) > plain).all()
    harsh = paint(replace(scene, contrast=scene.contrast + 3))[0]
    assert (harsh.std((1, 2, 3)) > paint(scene)[0].std((1, 2, 3))).all()


@pytest.mark.parametrize("column", range(4))
def test_lit_windows_show(column):
    scene = in_plain_light(draw(4))
    houses = scene.houses.clone()
    houses[:, 0, column], houses[:, 1:3, column] = 1.0, 0.0
    houses[:, 5, column] = 1.0
    lit = paint(replace(scene, houses=houses))[0]
    houses = houses.clone()
    houses[:, 5, column] = -1.0
    dark = paint(replace(scene, houses=houses))[0]
    x, y = 16 * column + 6, 57  # the middle of the pane
    torch.testing.assert_close(lit[:, :, y, x - 1], torch.tensor(LIT).expand(4, 3), atol=0.02, rtol=0)
    assert (lit - dark)[:, :, y - 1 : y + 1, x - 1 : x + 1].sum(1).min() > 0.5


def test_taste_follows_what_a_person_sees():
    scene = draw(16)
    base = taste(scene)
    assert (base > -1).all() and (base < 11).all()
    houses = scene.houses.clone()
    houses[:, 0], houses[:, 5] = 1.0, 1.0
    assert (taste(replace(scene, houses=houses)) >= base - 1e-4).all()
    assert (taste(replace(scene, warmth=scene.warmth + 1)) > base).all()
    assert (taste(replace(scene, clouds=scene.clouds + 1)) < base).all()
    lower = torch.stack([scene.sun[:, 0], scene.sun[:, 1] + 2], 1)
    assert (taste(replace(scene, sun=lower)) < base).all()
