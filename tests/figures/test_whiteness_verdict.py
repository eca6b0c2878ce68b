"""Each flaw is named, white noise is not accused."""

import numpy as np
import pytest
import torch

from figures import describe_whiteness


def white(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def standard(x: np.ndarray) -> np.ndarray:
    return (x - x.mean()) / x.std()


X = white(1, 4, 32, 48)
ROWS, COLUMNS = np.mgrid[:32, :48]
SPIKE = np.zeros_like(X)
SPIKE[0, 2, 7, 7] = 9
FLAWS = {
    "horizontal stripes: correlation 0.5": standard(X + np.roll(X, 1, -1)),
    "vertical stripes: correlation 0.49 at distance 3": standard(X + np.roll(X, 3, -2)),
    "blurred or coarse pattern: correlation": standard(X + np.roll(X, 1, -1) + np.roll(X, 1, -2)
                                                        + np.roll(X, (1, 1), (-1, -2))),
    "alternating pattern: correlation": standard(X - 0.7 * np.roll(X, 1, -1) - 0.7 * np.roll(X, 1, -2)),
    "columns alternate: correlation": standard(X - np.roll(X, 1, -1)),
    "rows alternate: correlation": standard(X - np.roll(X, 1, -2)),
    "one frequency dominates": standard(X + 0.25 * np.cos(COLUMNS * 2 * np.pi / 6 + ROWS)),
    "too long: its norm is 1.25": X * 1.25 / np.sqrt(np.mean(X**2)),
    "too short: its norm is 0.7": X * 0.7 / np.sqrt(np.mean(X**2)),
    "off centre: its mean is 0.3": X - X.mean() + 0.3,
    "heavy tails: excess kurtosis": standard(X**3),
    "light tails: excess kurtosis": standard(np.sign(X) * np.abs(X) ** 0.5),
    "a single extreme value": X + SPIKE,
    "no noise at all": np.full_like(X, 0.2),
}


@pytest.mark.parametrize("verdict", FLAWS)
def test_each_flaw_is_named(verdict: str) -> None:
    assert verdict in describe_whiteness(FLAWS[verdict])


def test_a_line_of_values_has_neighbours_too() -> None:
    x = white(1, 3000)
    assert describe_whiteness(standard(x + np.roll(x, 1, 1))).startswith("neighbours are alike: correlation 0.5")
    assert describe_whiteness(standard(x - np.roll(x, 1, 1))).startswith("neighbours alternate: correlation -0.5")


def test_uneven_spectrum_beyond_the_compared_neighbours() -> None:
    x = white(1, 8192)
    assert describe_whiteness(standard(x + 0.5 * np.roll(x, 40, 1))).startswith("uneven spectrum")


@pytest.mark.parametrize("shape", [(1, 16, 24, 24), (1, 4, 8, 8), (1, 500)])
def test_white_noise_is_hardly_ever_accused(shape: tuple[int, ...]) -> None:
    """Thresholds are five standard deviations, but the kurtosis of few elements has heavier tails than that."""
    clean = sum(describe_whiteness(white(*shape, seed=i)) == "looks like white noise" for i in range(100))
    assert clean >= 95


def test_samples_are_described_one_by_one() -> None:
    verdict = describe_whiteness(torch.tensor(np.concatenate([X, 2 * X])))
    assert verdict.splitlines()[0] == "sample 1: looks like white noise"
    assert verdict.splitlines()[1].startswith("sample 2: too long: its norm is 1.9")


@pytest.mark.parametrize(("noise", "message"), [
    (np.zeros(64), r"shape \(batch, \.\.\.\)"),
    (np.zeros((1, 15)), "at least 16 elements"),
    (np.full((1, 16), np.nan), "NaN or infinite"),
])
def test_unusable_noise_is_named(noise: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        describe_whiteness(noise)
