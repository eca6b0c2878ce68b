"""Diagnostics against plain formulas, and on noise whose flaw is known."""

import math

import pytest
import torch

from preconditioning import draw_white_gaussian, measure_whiteness

pytestmark = pytest.mark.numerical


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_moments_match_plain_sums() -> None:
    x = 1.7 * noise(3, 4, 6, 8) ** 3 + 0.2
    start = noise(3, 4, 6, 8, seed=1)
    measured = measure_whiteness(x, start)
    for i in range(3):
        values, origin = x[i].flatten().tolist(), start[i].flatten().tolist()
        count = len(values)
        mean = sum(values) / count
        variance = sum((v - mean) ** 2 for v in values) / count
        kurtosis = sum((v - mean) ** 4 for v in values) / count / variance**2 - 3
        norm = math.sqrt(sum(v * v for v in values))
        dot = sum(v * s for v, s in zip(values, origin, strict=True))
        assert measured.mean[i].item() == pytest.approx(mean)
        assert measured.variance[i].item() == pytest.approx(variance)
        assert measured.excess_kurtosis[i].item() == pytest.approx(kurtosis)
        assert measured.relative_norm[i].item() == pytest.approx(norm / math.sqrt(count))
        assert measured.cosine_to_start[i].item() == pytest.approx(dot / norm / math.sqrt(sum(s * s for s in origin)))


def test_white_noise_reads_as_white() -> None:
    x = noise(8, 16, 64, 64)
    measured = measure_whiteness(x, x)
    assert (measured.relative_norm - 1).abs().max() < 0.02
    assert measured.excess_kurtosis.abs().max() < 0.1
    assert measured.spectral_flatness.min() > 0.96
    torch.testing.assert_close(measured.cosine_to_start, torch.ones(8).double())


def test_members_have_no_block_deviation() -> None:
    measured = measure_whiteness(draw_white_gaussian((2, 4, 8, 9), 8, dtype=torch.float64), block_size=8)
    assert measured.one_norm_deviation.max() < 1e-12
    assert measured.energy_deviation.max() < 1e-12
    torch.testing.assert_close(measured.spectral_flatness, torch.ones(2).double())
    assert measured.cosine_to_start.isnan().all()


def test_each_flaw_moves_its_own_number() -> None:
    white = noise(1, 4, 32, 32)
    spike = white.clone()
    spike[0, 0, 5, 5] = 60
    blurred = white + white.roll(1, -1)
    assert measure_whiteness(spike).excess_kurtosis > 30
    assert measure_whiteness(blurred).spectral_flatness < 0.8
    assert measure_whiteness(1.1 * white).relative_norm > 1.05
    assert measure_whiteness(white + 0.3).mean > 0.2
    faint = measure_whiteness(0.1 * white)
    assert 0.85 < faint.one_norm_deviation < 1 and 0.95 < faint.energy_deviation < 1


def test_an_empty_band_has_no_flatness() -> None:
    coarse = noise(1, 1, 64, 32).reshape(1, -1)
    spectrum = torch.fft.rfft(coarse)
    spectrum[:, 100:140] = 0
    assert measure_whiteness(torch.fft.irfft(spectrum, n=2048)).spectral_flatness < 0.2


def test_half_precision_is_measured_in_float32() -> None:
    x = noise(2, 16, 32, 32)
    measured = measure_whiteness(x.bfloat16())
    assert measured.variance.dtype == torch.float32
    torch.testing.assert_close(measured.variance.double(), measure_whiteness(x).variance, rtol=1e-2, atol=0)


def test_start_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape of the noise, \(1, 4, 8, 8\), got \(1, 256\)"):
        measure_whiteness(noise(1, 4, 8, 8), noise(1, 256))
