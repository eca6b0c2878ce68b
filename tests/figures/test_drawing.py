"""Pictures: what is drawn lies where the values say."""

import math

import numpy as np
import pytest
from PIL import Image, ImageColor

from figures import draw_curves, draw_noise_statistics
from figures.axes import Axes, nice_ticks, tick_label
from figures.canvas import BLUE, VERMILLION, Canvas, _dashes


def ink(picture: Image.Image, colour: str) -> np.ndarray:
    """Rows and columns (points, 2) of the pixels nearly of this colour, as in the middle of a line."""
    distance = np.abs(np.asarray(picture, dtype=int) - ImageColor.getrgb(colour)).max(-1)
    return np.argwhere(distance < 60)


@pytest.mark.parametrize("low", [-3.7e4, -1.0, 0.0, 0.3, 5.98])
@pytest.mark.parametrize("span", [1e-4, 0.07, 1.0, 33.0, 1e6])
@pytest.mark.parametrize("most", [3, 5, 9])
def test_ticks_are_round_evenly_spaced_and_few(low: float, span: float, most: int) -> None:
    ticks = nice_ticks(low, low + span, most)
    assert 1 <= len(ticks) <= most
    assert all(low - 1e-6 * span <= tick <= low + span * (1 + 1e-6) for tick in ticks)
    if len(ticks) > 1:
        step = ticks[1] - ticks[0]
        np.testing.assert_allclose(np.diff(ticks), step, rtol=1e-5)
        digits = step / 10 ** math.floor(math.log10(step) + 1e-6)
        assert min(abs(digits - round_number) for round_number in (1, 2, 2.5, 5)) < 1e-3


def test_tick_labels() -> None:
    assert [tick_label(v) for v in (0.0, 0.25, 12.0, 1e-5, 1e6)] == ["0", "0.25", "12", "1e-5", "1e6"]


def test_places_linear_and_logarithmic() -> None:
    axes = Axes(Canvas(100, 100), 10, 20, 90, 80, (0, 4), (0.01, 100), 10, log_y=True)
    assert axes.place(1, 1) == pytest.approx((30, 50))
    assert axes.place(9, 1e-9) == pytest.approx((90, 80))
    linear = Axes(Canvas(100, 100), 10, 20, 90, 80, (0, 4), (0, 3), 10)
    assert linear.place(0, 1) == pytest.approx((10, 60))


def test_dashes_cover_half_of_a_bent_line() -> None:
    strokes = _dashes([(0, 0), (30, 0), (30, 33)], 4)
    length = sum(math.dist(a, b) for stroke in strokes for a, b in zip(stroke, stroke[1:], strict=False))
    assert length == pytest.approx(4 * math.ceil(63 / 8), abs=1.01)
    assert all(math.dist(a, b) <= 4 + 1e-9 for s in strokes for a, b in zip(s, s[1:], strict=False))


def test_a_curve_goes_where_its_values_go() -> None:
    picture = draw_curves({"score": [0.0, 1.0, 0.0]}, "title")
    rows, columns = ink(picture, BLUE).T
    plot = rows > 120  # below the legend
    rows, columns = rows[plot], columns[plot]
    peak, ends = columns[rows.argmin()], columns[rows >= rows.max() - 1]
    assert abs(peak - (columns.min() + columns.max()) / 2) < 8
    assert ends.min() < columns.min() + 8 and ends.max() > columns.max() - 8


def test_values_that_are_not_finite_leave_a_gap() -> None:
    full, holed = ([1.0] * 11, [1.0] * 4 + [math.nan, math.inf, -math.inf] + [1.0] * 4)
    columns = [set(ink(draw_curves({"score": values}, ""), BLUE)[:, 1]) for values in (full, holed)]
    missing = sorted(columns[0] - columns[1])
    assert missing and missing == list(range(missing[0], missing[-1] + 1))
    assert len(missing) == pytest.approx(0.4 * len(columns[0]), rel=0.15)


def test_a_single_value_shows_as_a_dot() -> None:
    points = ink(draw_curves({"score": [3.0]}, ""), BLUE)
    dot = points[points[:, 0] > 120]
    assert len(dot) > 20 and np.ptp(dot, axis=0).max() < 20


def test_the_best_step_is_marked() -> None:
    values = [0.0, 0.5, 4.0, 1.0, math.nan]
    plain, marked = (ink(draw_curves({"score": values}, "title", mark_best=mark), BLUE) for mark in (False, True))
    added = np.array(sorted({tuple(p) for p in marked} - {tuple(p) for p in plain}))
    top = plain[plain[:, 0] > 120]
    summit = top[top[:, 0].argmin()]
    assert np.abs(added - summit).max(1).min() < 12


def test_series_differ_in_colour_and_in_dashes() -> None:
    picture = draw_curves({"a": [0.0] * 9, "b": [1.0] * 9}, "")
    solid, dashed = (ink(picture, colour) for colour in (BLUE, VERMILLION))
    assert len(dashed) > 0.2 * len(solid)
    assert len(dashed) < 0.8 * len(solid)


@pytest.mark.parametrize(("series", "message"), [({}, "at least one series"), ({"score": [math.nan]}, "'score'")])
def test_curves_need_values(series: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_curves(series, "")


@pytest.mark.parametrize("shape", [(1, 16, 24, 24), (3, 4, 8, 9), (1, 16), (2, 77), (1, 16, 3, 8, 8), (1, 40, 1, 1)])
@pytest.mark.parametrize("size", [512, 1024])
def test_noise_statistics_of_any_shape(shape: tuple[int, ...], size: int) -> None:
    picture = draw_noise_statistics(np.random.default_rng(0).standard_normal(shape), "white", size=size)
    assert picture.size == (size, size) and picture.mode == "RGB"
    for colour in (BLUE, VERMILLION):
        assert len(ink(picture, colour)) > 0 or len(shape) < 4 or shape[-1] == 1


@pytest.mark.parametrize("noise", [np.zeros((1, 4, 8, 8)), np.full((1, 64), 1e6), 1e-9 * np.arange(64.0)[None]])
def test_noise_statistics_of_what_is_no_noise(noise: np.ndarray) -> None:
    assert draw_noise_statistics(noise, "a verdict " * 60).size == (1024, 1024)


def test_the_spectrum_of_stripes_is_drawn_higher_at_low_frequencies() -> None:
    x = np.random.default_rng(0).standard_normal((1, 4, 32, 32))
    for noise, tilted in ((x, False), ((x + np.roll(x, 1, -1)) / math.sqrt(2), True)):
        points = ink(draw_noise_statistics(noise, ""), BLUE)
        plot = points[(points[:, 0] < 430) & (points[:, 1] > 560)]
        left, right = plot[plot[:, 1] < 700, 0].mean(), plot[plot[:, 1] > 900, 0].mean()
        assert bool(right - left > 60) is tilted
