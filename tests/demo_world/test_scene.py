import pytest
import torch

from demo_world.layout import to_latent
from demo_world.mixing import hadamard
from demo_world.scene import PROMPTS, plan


def draw(count=6, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 16, 8, 8, generator=generator, dtype=dtype), torch.arange(count) % len(PROMPTS)


@pytest.mark.parametrize("size", [1, 2, 16])
def test_hadamard_is_orthonormal(size):
    matrix = hadamard(size)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(size))
    torch.testing.assert_close(matrix.abs(), torch.full((size, size), size**-0.5))


def test_every_element_of_the_noise_matters():
    noise, prompt = draw(4)
    noise.requires_grad_(True)
    (gradient,) = torch.autograd.grad(to_latent(plan(noise, prompt)).square().sum(), noise)
    assert (gradient != 0).all()


def test_samples_of_a_batch_do_not_touch_each_other():
    noise, prompt = draw()
    together = to_latent(plan(noise, prompt))
    alone = torch.cat([to_latent(plan(noise[i : i + 1], prompt[i : i + 1])) for i in range(len(noise))])
    torch.testing.assert_close(together, alone)


def test_sun_and_ridges_stay_inside_the_picture():
    scene = plan(*draw(200))
    assert (scene.sun > 6).all() and (scene.sun[:, 0] < 58).all() and (scene.sun[:, 1] < 25).all()
    assert (scene.mountains >= 24).all() and (scene.mountains <= 40).all()
    assert (scene.hills >= 40).all() and (scene.hills <= 48).all()


def test_ridge_depth_changes_sign_at_the_ridge():
    scene = plan(*draw())
    depth = to_latent(scene)[:, 6]
    centres = torch.arange(8) * 8 + 4.0
    torch.testing.assert_close(depth > 0, centres[:, None] > scene.mountains[:, None, :])


def test_latent_points_to_the_sun():
    scene = plan(*draw())
    latent = to_latent(scene)
    centres = torch.arange(8) * 8 + 4.0
    torch.testing.assert_close(latent[:, 4, 3] > 0, scene.sun[:, :1] > centres)
    torch.testing.assert_close(latent[:, 5, :, 3] > 0, scene.sun[:, 1:] > centres)


def test_latent_holds_every_score_at_its_cell():
    scene = plan(*draw())
    latent = to_latent(scene)
    assert torch.equal(latent[:, 12:15, :5], scene.sparks)
    assert torch.equal(latent[:, 12:16, 5], scene.trees)
    for row in (6, 7):
        assert torch.equal(latent[:, 12:15, row, ::2], scene.houses[:, :3])
        assert torch.equal(latent[:, 9:12, row, 1::2], scene.houses[:, 3:])
    for row in range(10):
        for column in range(16):
            channel = 8 + 2 * (row % 2) + column % 2
            assert torch.equal(latent[:, channel, row // 2, column // 2], scene.clouds[:, row, column])


@pytest.mark.parametrize("shape", [(16, 8, 8), (1, 4, 8, 8), (1, 16, 24, 24)])
def test_wrong_noise_is_named(shape):
    with pytest.raises(ValueError, match="noise must be"):
        plan(torch.zeros(shape), torch.zeros(1, dtype=torch.int64))
