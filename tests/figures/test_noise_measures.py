"""The figures' numbers against the projection's own, and against plain loops."""

import math

import numpy as np
import pytest
import torch

from figures.noise_measures import autocorrelation, band_power, block_norm_ratios, compact_power, neighbour_lines
from preconditioning import block_norm_deviations, compact_spectrum

pytestmark = pytest.mark.numerical


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("length", [16, 64, 130])
def test_power_is_that_of_the_compact_spectrum(length: int) -> None:
    flat = rng().standard_normal((3, length))
    np.testing.assert_allclose(compact_power(flat), compact_spectrum(torch.tensor(flat)).abs().square(), atol=1e-12)


def test_block_norms_are_those_of_the_feasible_set() -> None:
    flat = rng().standard_normal((3, 192))
    one_norm, energy = block_norm_ratios(compact_power(flat), 16)
    expected = block_norm_deviations(torch.tensor(flat), 16)
    np.testing.assert_allclose(one_norm, expected[0].flatten() + 1, atol=1e-12)
    np.testing.assert_allclose(energy, expected[1].flatten() + 1, atol=1e-12)


def test_autocorrelation_against_loops() -> None:
    sample = rng().standard_normal((2, 9, 7)).cumsum(-1)
    centred = sample - sample.mean()
    along_columns, chance = autocorrelation(neighbour_lines(sample)["columns"])
    assert along_columns.shape == chance.shape == (4,)
    for distance in range(1, 5):
        products = [
            centred[c, i, j] * centred[c, i + distance, j]
            for c in range(2)
            for i in range(9 - distance)
            for j in range(7)
        ]
        assert chance[distance - 1] == pytest.approx(len(products) ** -0.5)
        expected = sum(products) / len(products) / np.mean(centred**2)
        assert along_columns[distance - 1] == pytest.approx(expected)


def test_chance_is_the_spread_over_draws_of_white_noise() -> None:
    measured = [autocorrelation(sample) for sample in rng().standard_normal((400, 30, 12))]
    spread = np.std([correlation for correlation, _ in measured], axis=0)
    np.testing.assert_allclose(spread, measured[0][1], rtol=0.15)


def test_directions_without_neighbours_are_left_out() -> None:
    assert set(neighbour_lines(np.zeros((4, 1, 8)))) == {"rows"}
    assert set(neighbour_lines(np.zeros((4, 8)))) == set(neighbour_lines(np.zeros((32, 1, 1)))) == {"elements"}
    assert neighbour_lines(np.zeros((4, 8)))["elements"].shape == (32,)


def test_bands_average_every_bin_once() -> None:
    power = rng().exponential(size=(2, 50))
    centres, bands, spread = band_power(power, 8)
    assert len(bands) == 8
    np.testing.assert_allclose(bands[:7], power[:, :49].reshape(2, 7, 7).mean((0, 2)))
    assert bands[7] == pytest.approx(power[:, 49].mean())
    assert 0 < centres[0] < centres[-1] < 0.5
    assert spread == pytest.approx(1 / math.sqrt(2))
