"""The same composition at every size, and what is left of the noise."""

import pytest
import torch

from demo_world.composition import composition, enlarged, remainder, scale_of
from demo_world.scene import plan
from demo_world.taste import taste
from preconditioning.resize import resize_white_noise

LARGER = [2, 4]


def white(scale, count=3, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 16, 8 * scale, 8 * scale, generator=generator, dtype=dtype)


def splines(scale):
    """(8, 8k): by one impulse at a time, along a row of the noise."""
    impulses = torch.zeros(8 * scale, 16, 8 * scale, 8 * scale, dtype=torch.float64)
    impulses[torch.arange(8 * scale), 0, :, torch.arange(8 * scale)] = scale**-0.5
    return composition(impulses)[:, 0, 3].T


def test_of_the_smallest_size_it_is_the_noise():
    noise = white(1)
    assert torch.equal(composition(noise), noise) and not remainder(noise).any()


@pytest.mark.parametrize("scale", LARGER)
def test_white_noise_has_a_white_composition(scale):
    """Orthonormal rows, and those of the other axis alike."""
    rows = splines(scale)
    torch.testing.assert_close(rows @ rows.T, torch.eye(8, dtype=torch.float64))
    noise = white(scale)
    torch.testing.assert_close(composition(noise.mT), composition(noise).mT)


@pytest.mark.parametrize("scale", LARGER)
def test_it_is_made_of_linear_splines(scale):
    """Between the centres of two cells, and beyond the outermost, each is a straight line."""
    rows = splines(scale)
    for start in (0, *range(scale // 2, 8 * scale - scale // 2, scale), 8 * scale - scale // 2):
        piece = rows[:, start : start + (scale // 2 if start in (0, 8 * scale - scale // 2) else scale)]
        assert (piece.diff(n=2, dim=1).abs() < 1e-12).all()
    torch.testing.assert_close(rows.flip(0, 1), rows)
    torch.testing.assert_close(rows.sum(0), torch.full((8 * scale,), scale**-0.5, dtype=torch.float64))


@pytest.mark.parametrize("scale", LARGER)
def test_the_remainder_has_no_composition(scale):
    noise = white(scale)
    left = remainder(noise)
    assert composition(left).abs().max() < 1e-12
    energy = composition(noise).square().sum() + left.square().sum()
    torch.testing.assert_close(energy, noise.square().sum())


@pytest.mark.parametrize("scale", LARGER)
def test_enlarged_noise_keeps_it_and_is_white(scale):
    noise = white(1, 40)
    larger = enlarged(noise, scale, torch.Generator().manual_seed(1))
    torch.testing.assert_close(composition(larger), noise)
    assert larger.std() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("steps", [(16,), (32,), (16, 32)])
def test_resized_noise_has_nearly_the_same(steps):
    """Resize Noise keeps waves, a composition is made of splines: nine tenths and more of it is kept."""
    noise, prompt = white(1, 40, dtype=torch.float32), torch.arange(40) % 4
    larger, generator = noise, torch.Generator().manual_seed(1)
    for side in steps:
        larger = resize_white_noise(larger, side, side, generator)
    kept = torch.nn.functional.cosine_similarity(composition(larger).flatten(1), noise.flatten(1))
    assert kept.min() > 0.9
    scenes = plan(noise, prompt), plan(larger, prompt)
    torch.testing.assert_close(scenes[1].sun, scenes[0].sun, atol=1e-3, rtol=0)
    assert torch.corrcoef(torch.stack([taste(scene) for scene in scenes]))[0, 1] > 0.95


def test_noise_is_not_enlarged_to_other_sizes():
    with pytest.raises(ValueError, match="scale must be one of 1, 2, 4; got 3"):
        enlarged(white(1), 3)


@pytest.mark.parametrize("shape", [(16, 8, 8), (1, 4, 8, 8), (1, 16, 24, 24), (1, 16, 16, 8)])
def test_other_shapes_are_named_with_what_there_is(shape):
    with pytest.raises(ValueError, match=r"latent must be \(B, 16, 8, 8\) or .* 64 or 128 or 256 pixels; got"):
        scale_of(torch.zeros(shape), "latent")
