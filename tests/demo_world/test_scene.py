import pytest
import torch

from demo_world.scene import PROMPTS, hadamard, plan, to_latent


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


@pytest.mark.parametrize("shape", [(16, 8, 8), (1, 4, 8, 8), (1, 16, 16, 16)])
def test_wrong_noise_is_named(shape):
    with pytest.raises(ValueError, match="noise must be"):
        plan(torch.zeros(shape), torch.zeros(1, dtype=torch.int64))
