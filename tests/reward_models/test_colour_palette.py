import colorsys

import numpy as np
import pytest
import torch

from reward_models import ColourPalette
from reward_models.colour_palette import srgb_to_lab
from tests.reward_models.parity import pictures, score_and_gradient

pytestmark = pytest.mark.numerical


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        # Published conversions of the sRGB primaries, D65.
        ((1.0, 1.0, 1.0), (100.0, 0.0, 0.0)),
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
        ((1.0, 0.0, 0.0), (53.24, 80.09, 67.20)),
        ((0.0, 1.0, 0.0), (87.73, -86.18, 83.18)),
        ((0.0, 0.0, 1.0), (32.30, 79.19, -107.86)),
        ((0.5, 0.5, 0.5), (53.39, 0.0, 0.0)),
    ],
)
def test_lab_of_known_colours(rgb, lab):
    converted = srgb_to_lab(torch.tensor(rgb).view(1, 3, 1, 1)).flatten()
    assert converted.tolist() == pytest.approx(lab, abs=0.05)


def test_equals_the_sorted_distance_computed_with_numpy():
    images, reference = pictures(2, 64, 64, seed=1), pictures(1, 64, 64, seed=2)
    reward = ColourPalette(reference)
    directions = reward.directions.numpy()
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, rtol=1e-6)
    wanted = srgb_to_lab(reference)[0].flatten(1).numpy()
    for score, image in zip(reward(images).tolist(), images, strict=True):
        colours = srgb_to_lab(image[None])[0].flatten(1).numpy()
        squares = [
            np.mean((np.sort(direction @ colours) - np.sort(direction @ wanted)) ** 2) for direction in directions
        ]
        assert score == pytest.approx(-np.sqrt(np.mean(squares)), rel=1e-4)


def test_place_does_not_matter_but_colour_does():
    reference = pictures(1, 64, 64)
    reward = ColourPalette(reference)
    assert float(reward(reference)) == 0
    assert float(reward(reference.flip(-1).transpose(-1, -2))) == pytest.approx(0, abs=1e-4)
    assert float(reward(reference.flip(1))) < -2


def test_shifting_all_colours_by_one_lab_unit_costs_its_projection():
    grey = torch.full((1, 3, 8, 8), 0.5)
    lighter = torch.full((1, 3, 8, 8), 0.55)
    reward = ColourPalette(grey)
    shift = float(srgb_to_lab(lighter)[0, 0, 0, 0] - srgb_to_lab(grey)[0, 0, 0, 0])
    expected = shift * float(reward.directions[:, 0].square().mean().sqrt())
    assert float(reward(lighter)) == pytest.approx(-expected, rel=1e-3)


def test_directions_see_all_colour_differences_alike():
    covariance = ColourPalette(pictures(1)).directions.T @ ColourPalette(pictures(1)).directions / 32
    torch.testing.assert_close(covariance, torch.eye(3) / 3, rtol=0, atol=0.02)


def test_gradient_agrees_with_finite_differences():
    images = pictures(2, 30, 20).double()
    reward = ColourPalette(pictures(1, 40, 40, seed=3).double())
    _, gradient = score_and_gradient(reward, images)
    direction = torch.randn(images.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    step = 1e-7 * direction
    slope = (reward(images + step) - reward(images - step)) / 2e-7
    torch.testing.assert_close((gradient * direction).sum(dim=(1, 2, 3)), slope, rtol=1e-3, atol=1e-4)


def test_ascent_reaches_the_palette():
    reference = pictures(1, 16, 16, seed=4)
    reward = ColourPalette(reference)
    images = pictures(1, 16, 16, seed=5)
    start = float(reward(images))
    for _ in range(60):
        _, gradient = score_and_gradient(reward, images)
        images = (images + 0.3 * gradient / gradient.norm()).clamp(0, 1)
    assert float(reward(images)) > start / 4


@pytest.mark.parametrize("value", [-0.2, 0.0, 1.0, 1.3])
def test_gradient_is_finite_at_and_beyond_the_ends(value):
    reward = ColourPalette(torch.tensor(colorsys.hsv_to_rgb(0.6, 0.8, 0.7)).view(1, 3, 1, 1).expand(1, 3, 8, 8))
    scores, gradient = score_and_gradient(reward, torch.full((1, 3, 8, 8), value))
    assert torch.isfinite(scores).all()
    assert torch.isfinite(gradient).all()


def test_several_references_are_refused():
    with pytest.raises(ValueError, match="one reference picture; got 2"):
        ColourPalette(pictures(2))
