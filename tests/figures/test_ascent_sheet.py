"""The sheet about a run: everything is on it, in its place, at any number of pictures and curves."""

import math

import numpy as np
import pytest
from PIL import Image

from figures import draw_run_sheet
from figures.run_sheet import MAX_IMAGES

RED, TEAL = (200, 0, 0), (0, 160, 160)


def sheet(count: int, curves: dict, size: tuple[int, int] = (64, 48), **options) -> np.ndarray:
    pair = (Image.new("RGB", size, RED), Image.new("RGB", size, TEAL))
    picture = draw_run_sheet("heading", "some notes", curves, [pair] * count, [("start", "best")] * count, **options)
    return np.asarray(picture).astype(int)


def places(pixels: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Rows and columns of the pixels of exactly this colour."""
    return np.argwhere((pixels == colour).all(-1))


@pytest.mark.parametrize("size", [(64, 48), (700, 300), (100, 900)])
def test_one_pair_stands_side_by_side(size: tuple[int, int]) -> None:
    pixels = sheet(1, {"score": [0.0, 1.0]}, size)
    start, best = places(pixels, RED), places(pixels, TEAL)
    assert start[:, 1].max() < 600 <= best[:, 1].min()
    assert start[:, 0].min() == best[:, 0].min()
    height, width = np.ptp(start, axis=0) + 1
    assert width / height == pytest.approx(size[0] / size[1], rel=0.02)
    assert max(width, height) == 600 - 24


@pytest.mark.parametrize("count", [2, 4, 5, 8])
def test_best_pictures_stand_below_their_start(count: int) -> None:
    pixels = sheet(count, {"score": [0.0, 1.0]})
    start, best = places(pixels, RED), places(pixels, TEAL)
    assert len(start) == len(best)
    assert start[:, 0].min() < best[:, 0].min() and start[:, 0].max() < best[:, 0].max()
    assert set(start[:, 1]) == set(best[:, 1])


def test_of_many_pictures_the_first_are_shown() -> None:
    some, more = sheet(MAX_IMAGES, {"score": [0.0, 1.0]}), sheet(MAX_IMAGES + 3, {"score": [0.0, 1.0]})
    assert len(places(some, RED)) == len(places(more, RED))
    assert more.shape[0] > some.shape[0], "no line says that some are left out"


def test_every_curve_has_its_own_scale() -> None:
    """Two curves a factor of a million apart: drawn to one scale, the small one would be a flat line."""
    values = [math.sin(step / 9) for step in range(60)]
    small, both = sheet(1, {"a": values}), sheet(1, {"a": values, "b": [1e6 * value for value in values]})
    axis = 0.3 * 1200
    blue = np.argwhere(np.abs(both - (0, 0x72, 0xB2)).max(-1) < 40)
    left, right = blue[blue[:, 1] < 600], blue[blue[:, 1] >= 600]
    assert min(np.ptp(left[:, 0]), np.ptp(right[:, 0])) > 0.5 * axis
    assert small.shape != both.shape


def test_without_curves_the_rest_is_drawn() -> None:
    assert len(places(sheet(1, {}), TEAL))
