import numpy as np
import pytest
import torch

from reward_models.picture_statistics import (
    STATISTICS,
    PictureStatistic,
    brightness,
    colourfulness,
    contrast,
    sharpness,
)
from tests.reward_models.parity import pictures, score_and_gradient

pytestmark = pytest.mark.numerical


def luma(picture: np.ndarray) -> np.ndarray:
    red, green, blue = picture
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_values_equal_numpy_formulas():
    images = pictures(3, 40, 56)
    for index, picture in enumerate(images.double().numpy()):
        red, green, blue = 255 * picture
        red_green, yellow_blue = red - green, 0.5 * (red + green) - blue
        spread = np.hypot(red_green.std(), yellow_blue.std())
        grey = 255 * luma(picture)
        laplacian = [
            grey[y - 1, x] + grey[y + 1, x] + grey[y, x - 1] + grey[y, x + 1] - 4 * grey[y, x]
            for y in range(1, 39)
            for x in range(1, 55)
        ]
        assert float(brightness(images)[index]) == pytest.approx(luma(picture).mean(), rel=1e-5)
        assert float(contrast(images)[index]) == pytest.approx(luma(picture).std(), rel=1e-5)
        expected = spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean())
        assert float(colourfulness(images)[index]) == pytest.approx(expected, rel=1e-5)
        assert float(sharpness(images)[index]) == pytest.approx(np.var(laplacian), rel=1e-4)


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("target", [None, 0.2])
def test_gradient_agrees_with_finite_differences(statistic, target):
    images = pictures(2, 9, 7).double()
    reward = PictureStatistic(statistic, target)
    _, gradient = score_and_gradient(reward, images)
    direction = torch.randn(images.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    step = 1e-6 * direction
    slope = (reward(images + step) - reward(images - step)) / 2e-6
    torch.testing.assert_close((gradient * direction).sum(dim=(1, 2, 3)), slope, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_flat_grey_picture_has_a_finite_gradient(statistic):
    scores, gradient = score_and_gradient(PictureStatistic(statistic), torch.full((1, 3, 8, 8), 0.5))
    assert torch.isfinite(scores).all()
    assert torch.isfinite(gradient).all()


def test_target_is_approached_from_both_sides():
    reward = PictureStatistic("brightness", target=0.4)
    dark, hit, light = (torch.full((1, 3, 8, 8), value) for value in (0.1, 0.4, 0.9))
    assert float(reward(hit)) == pytest.approx(0, abs=1e-6)
    assert float(reward(dark)) == pytest.approx(-0.3, abs=1e-6)
    assert float(reward(light)) == pytest.approx(-0.5, abs=1e-6)
    assert score_and_gradient(reward, dark)[1].sum() > 0 > score_and_gradient(reward, light)[1].sum()


def test_images_of_a_batch_do_not_mix():
    images = pictures(3, 16, 16)
    for statistic in STATISTICS:
        reward = PictureStatistic(statistic)
        torch.testing.assert_close(reward(images), torch.cat([reward(image[None]) for image in images]))


def test_unknown_statistic_is_refused():
    with pytest.raises(ValueError, match="choose one of brightness, contrast, colourfulness, sharpness"):
        PictureStatistic("beauty")
