"""The page on whitening, and its measures on fields whose values are known."""

import json

import pytest
import torch

from benchmarks.whitening import (
    EXPONENTS,
    PAGE,
    SHAPE,
    WAYS,
    band_ratio,
    centre_to_edge,
    gradient,
    lag_one,
    main,
    measured,
    page_with,
)

pytestmark = pytest.mark.numerical


def test_the_page_holds_the_tables_of_its_numbers():
    page = PAGE.read_text(encoding="utf-8")
    assert page_with(page, json.loads(PAGE.with_suffix(".json").read_text(encoding="utf-8"))) == page


def test_the_numbers_are_those_of_the_code():
    """One row made again; the others take minutes."""
    recorded = json.loads(PAGE.with_suffix(".json").read_text(encoding="utf-8"))["quality"]
    row = next(row for row in recorded if (row["gradient"], row["way"]) == ("1/f", "both"))
    again = measured("1/f", "both", range(row["seeds"]))
    for field in ("cosine", "lag_one", "band_ratio", "centre_to_edge", "largest"):
        assert again[field] == pytest.approx(row[field], abs=0.01)


def test_white_noise_measures_as_white():
    x = torch.randn(1, 16, 128, 128)
    assert abs(lag_one(x)) < 0.01
    assert 1 <= band_ratio(x) < 1.1 and abs(centre_to_edge(x) - 1) < 0.1


def test_measures_of_known_fields():
    x = torch.randn(1, 16, 128, 128)
    blurred = x[..., 1:] + x[..., :-1]  # correlation 0.5 along rows, none along columns
    assert lag_one(blurred) == pytest.approx(0.25, abs=0.02)
    louder = x.clone()
    louder[..., 32:96, 32:96] *= 3
    assert centre_to_edge(louder) == pytest.approx(9, rel=0.1)
    # A blur in both directions has (2 cos)^2 at each frequency: all at the lowest, nearly nothing at the highest.
    assert band_ratio(blurred[..., 1:, :] + blurred[..., :-1, :]) > 20


@pytest.mark.parametrize("name", EXPONENTS)
def test_gradients_fall_with_frequency_as_named(name):
    spectrum = torch.stack([torch.fft.fft2(gradient(name, seed)).abs().square().mean((0, 1)) for seed in range(8)])
    power = spectrum.mean(0)[0, 1 : SHAPE[-1] // 2]
    frequency = torch.arange(1, SHAPE[-1] // 2)
    line = torch.stack([torch.ones(len(frequency)), frequency.log()], 1)
    slope = torch.linalg.lstsq(line, power.log()[:, None]).solution[1]
    assert float(slope) == pytest.approx(-2 * EXPONENTS[name], abs=0.1)


def test_it_writes_a_page(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.whitening.GRADIENTS", {"white": (0, False)})
    monkeypatch.setattr("benchmarks.whitening.TIMED", ((4, 8, 8),))
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    main(["--seeds", "1", "--repeats", "1", "--page", str(page)])
    text = page.read_text(encoding="utf-8")
    assert "| 4 x 8 x 8 | 256 |" in text and text.count("| white |") == len(WAYS) + 2 and "1/f |" not in text
