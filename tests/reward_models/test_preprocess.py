import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from reward_models.preprocess import longest_edge_pad, resize, shorter_edge_crop, squash, triangle
from tests.reward_models.parity import pictures, score_and_gradient, torchvision_like_crop

pytestmark = pytest.mark.numerical


@pytest.mark.parametrize("size", [(224, 224), (64, 64), (50, 77), (300, 17), (224, 341)])
@pytest.mark.parametrize(("mode", "kernel"), [("bicubic", None), ("bilinear", triangle)])
def test_resize_equals_antialiased_interpolation(size, mode, kernel):
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    options = {} if kernel is None else {"kernel": kernel}
    probe = torch.randn(2, 3, 48, 60, generator=torch.Generator().manual_seed(1))
    ours, gradient = score_and_gradient(lambda x: (resize(x, 48, 60, **options) * probe).sum((1, 2, 3)), images)
    expected, expected_gradient = score_and_gradient(
        lambda x: (F.interpolate(x, (48, 60), mode=mode, antialias=True) * probe).sum((1, 2, 3)), images
    )
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-4, atol=1e-5)


def test_resize_follows_pil():
    picture = np.random.default_rng(0).integers(60, 190, (90, 130, 3), dtype=np.uint8)
    pil = np.asarray(Image.fromarray(picture).resize((52, 40), Image.Resampling.BICUBIC))
    ours = resize(torch.from_numpy(picture).permute(2, 0, 1)[None] / 255, 40, 52)
    difference = 255 * ours[0].permute(1, 2, 0).numpy() - pil
    # PIL rounds to 8 bits after each of its two passes.
    assert np.abs(difference).max() <= 1.5


def test_resize_keeps_the_size_it_has():
    images = pictures(1, 20, 30)
    assert resize(images, 20, 30) is images


@pytest.mark.parametrize("size", [(42, 42), (42, 89), (89, 42), (64, 97), (33, 500), (40, 43)])
def test_crop_equals_torchvision(size):
    images = pictures(1, *size)
    torch.testing.assert_close(shorter_edge_crop(images, 42), torchvision_like_crop(images, 42), rtol=0, atol=1e-5)


def test_crop_offset_of_an_odd_margin():
    columns = torch.arange(45.0).expand(1, 3, 42, 45) / 45
    rounded = shorter_edge_crop(columns, 42)
    floored = shorter_edge_crop(columns, 42, round_offset=False)
    assert float(rounded[0, 0, 0, 0]) * 45 == pytest.approx(2)
    assert float(floored[0, 0, 0, 0]) * 45 == pytest.approx(1)


@pytest.mark.parametrize("size", [(30, 60), (61, 30), (200, 3)])
def test_pad_keeps_the_whole_picture_between_black_borders(size):
    padded = longest_edge_pad(torch.ones(1, 3, *size), 40)
    assert padded.shape == (1, 3, 40, 40)
    scale = 40 / max(size)
    area = max(1, round(size[0] * scale)) * max(1, round(size[1] * scale))
    assert float(padded.sum()) == pytest.approx(3 * area, rel=1e-5)
    torch.testing.assert_close(padded.flip(-1, -2).sum((2, 3)), padded.sum((2, 3)))
    assert float(padded[0, 0, 0, 0]) == 0 or min(size) == max(size)


def test_squash_fills_the_square():
    torch.testing.assert_close(squash(torch.full((1, 3, 20, 50), 0.3), 16), torch.full((1, 3, 16, 16), 0.3))
