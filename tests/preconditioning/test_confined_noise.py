"""Intervals instead of equalities: against quantiles computed another way, and brute force for tiny blocks."""

import math

import pytest
import torch

from preconditioning import SPECTRA, WhiteGaussianProjector, compact_spectrum, confine_white_gaussian
from preconditioning.band_quantiles import energy_intervals, magnitude_interval
from preconditioning.spectral_blocks import spectral_blocks


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def strange_inputs(*shape):
    white = noise(*shape)
    return {
        "too loud": 3 * white,
        "faint": 1e-30 * white,
        "huge": 1e200 * white,
        "smooth": white.cumsum(-1),
        "heavy tails": white**5,
        "stripes": (torch.arange(shape[-1]) % 4 < 2).double().expand(shape) + 1e-3 * white,
        "impulse": torch.nn.functional.one_hot(torch.tensor(3), math.prod(shape[1:])).double().expand(
            shape[0], -1).reshape(shape),
        "constant": torch.ones(shape, dtype=torch.float64),
        "zero": torch.zeros(shape, dtype=torch.float64),
    }


def bands(bins, block_size):
    """(first bin, end bin) of the blocks, of pairs of them, of pairs of those, ... and of everything."""
    level = [(g.start + i * g.length, g.start + (i + 1) * g.length)
             for g in spectral_blocks(bins, block_size) for i in range(g.count)]
    found = list(level)
    while len(level) > 1:
        level = [(pair[0][0], pair[-1][1]) for pair in (level[i:i + 2] for i in range(0, len(level), 2))]
        found += level
    return found


def violation(x, confidence, block_size):
    """How far outside its interval, relative to its size, the worst band energy or block magnitude is."""
    y = compact_spectrum(x.flatten(1).double()).abs()
    worst = 0.0
    for first, end in bands(y.shape[1], block_size):
        low, high = energy_intervals((end - first,), confidence)[:, 0].tolist()
        energy = y[:, first:end].square().sum(1)
        worst = max(worst, ((low - energy).clamp_min(0) / low).max(), ((energy - high).clamp_min(0) / high).max())
    for group in spectral_blocks(y.shape[1], block_size):
        low, high = magnitude_interval(group.length, confidence)
        blocks = group.of(y)
        ratio = blocks.mean(-1) / blocks.square().mean(-1).sqrt()
        worst = max(worst, (low - ratio).max(), (ratio - high).max())
    return float(worst)


@pytest.mark.parametrize("shape, block_size", [((2, 4, 6, 10), 4), ((3, 66), 16), ((1, 34), 2), ((2, 3, 4, 7), 5)])
@pytest.mark.parametrize("kind", strange_inputs(1, 1, 4, 4))
@pytest.mark.parametrize("confidence", [0.5, 0.99])
def test_whatever_goes_in_the_set_is_reached_and_kept(shape, block_size, kind, confidence):
    x = strange_inputs(*shape)[kind]
    untouched = x.clone()
    z = confine_white_gaussian(x, confidence, block_size)
    assert torch.equal(x, untouched)
    assert violation(z, confidence, block_size) < 1e-9
    assert torch.allclose(confine_white_gaussian(z, confidence, block_size), z, atol=1e-9)
    assert torch.equal(confine_white_gaussian(x, confidence, block_size), z)


def test_true_white_noise_stays_nearly_what_it_was():
    x = noise(8, 16, 32, 32, dtype=torch.float32)
    z = confine_white_gaussian(x, 0.99)
    cosine = torch.nn.functional.cosine_similarity(x.flatten(1), z.flatten(1))
    assert (cosine > 0.9995).all()
    y, confined = (compact_spectrum(tensor.flatten(1)).view(8, -1, 16) for tensor in (x, z))
    moved = (y - confined).norm(dim=-1) / y.norm(dim=-1)
    # A block has two conditions of its own and is in a band of two, of four, ...: each is broken once in a hundred.
    assert 0.01 < (moved > 0.01).double().mean() < 0.08


def test_inside_nothing_moves():
    x = confine_white_gaussian(noise(2, 256), 0.9, 16)
    assert torch.allclose(confine_white_gaussian(x, 0.99, 16), x, atol=1e-12)


@pytest.mark.parametrize("length, low_end", [(2, True), (2, False), (3, True), (3, False), (4, True), (4, False)])
def test_the_magnitudes_of_a_block_go_to_the_nearest_allowed_ones(length, low_end):
    """One block alone, against a fine net over all magnitudes of its energy."""
    low, high = magnitude_interval(length, 0.9)
    magnitudes = torch.tensor([4.0, 0.1, 0.3, 0.2] if low_end else [1.0, 1.02, 0.99, 1.01], dtype=torch.float64)
    y = torch.polar(magnitudes[:length], torch.arange(length, dtype=torch.float64))
    energy = float(length)  # inside the interval of energies
    y = y / y.abs().square().sum().sqrt() * math.sqrt(energy)
    spectrum = torch.nn.functional.pad(y, (0, 1))
    spectrum[-1] = spectrum[0].imag * math.sqrt(2)
    spectrum[0] = spectrum[0].real * math.sqrt(2)
    x = torch.fft.irfft(spectrum, n=2 * length, norm="ortho")[None]
    z = compact_spectrum(confine_white_gaussian(x, 0.9, 16))[0]

    net = noise(400_000, length).abs()
    net = net / net.norm(dim=1, keepdim=True) * math.sqrt(energy)
    mean = net.mean(1) / math.sqrt(energy / length)
    net = net[(mean >= low) & (mean <= high)]
    nearest = (net - y.abs()).norm(dim=1).min().item()
    assert not low <= y.abs().mean() / math.sqrt(energy / length) <= high
    assert (z - y).abs().square().sum().sqrt().item() <= nearest + 1e-9
    assert (z - y).abs().square().sum().sqrt().item() == pytest.approx(nearest, rel=0.15)
    assert torch.allclose(z / z.abs(), y / y.abs(), atol=1e-9)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99])
def test_the_intervals_hold_what_they_promise(confidence):
    """Fresh white noise, another seed than the quantiles', lies inside as often as stated."""
    for length in (2, 5, 16, 40):
        y = torch.view_as_complex(noise(40_000, length, 2, seed=77)) * math.sqrt(0.5)
        energy = y.abs().square().sum(1)
        ratio = y.abs().mean(1) / (energy / length).sqrt()
        for values, (low, high) in ((energy, energy_intervals((length,), confidence)[:, 0].tolist()),
                                    (ratio, magnitude_interval(length, confidence))):
            assert (values < low).double().mean().item() == pytest.approx((1 - confidence) / 2, abs=0.007)
            assert (values > high).double().mean().item() == pytest.approx((1 - confidence) / 2, abs=0.007)


def test_long_blocks_follow_on_from_simulated_ones():
    simulated, normal = magnitude_interval(256, 0.99), magnitude_interval(257, 0.99)
    assert all(abs(a - b) < 1e-3 for a, b in zip(simulated, normal, strict=True))


def test_half_of_the_blocks_high_and_half_low_is_caught():
    """What intervals of the blocks alone would let pass: every block is plausible, the spectrum is not."""
    blocks, length = 16, 16
    low, high = energy_intervals((length,), 0.99)[:, 0].tolist()
    y = torch.view_as_complex(noise(blocks, length, 2))
    energies = torch.tensor([0.999 * high] * 8 + [1.001 * low] * 8)[:, None]
    y = (y / y.abs().square().sum(1, keepdim=True).sqrt() * energies.sqrt()).flatten()
    spectrum = torch.nn.functional.pad(y, (0, 1))
    spectrum[-1], spectrum[0] = spectrum[0].imag * math.sqrt(2), spectrum[0].real * math.sqrt(2)
    z = confine_white_gaussian(torch.fft.irfft(spectrum, n=512, norm="ortho")[None], 0.99, length)
    energy = compact_spectrum(z)[0].abs().square()
    assert energy[:128].sum() < 128 * 1.3 and energy[128:].sum() > 128 * 0.7
    assert violation(z, 0.99, length) < 1e-9


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_every_spectrum_and_dtype(spectrum, dtype):
    x = noise(2, 4, 8, 8).to(dtype)
    z = confine_white_gaussian(x.cumsum(-1), 0.99, 8, spectrum)
    assert z.dtype == dtype and z.shape == x.shape
    again = confine_white_gaussian(z, 0.99, 8, spectrum)
    assert torch.allclose(again, z, atol=1e-2 if dtype == torch.float16 else 1e-5)


@pytest.mark.parametrize("scale", [1e-30, 1e-8, 1.0, 1e8, 1e30])
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_the_gradient_counts_by_its_direction_alone(scale, spectrum):
    gradient = noise(2, 4, 4, 4, dtype=torch.float32).cumsum(-1)
    gradient[1] = 0
    projector = WhiteGaussianProjector(block_size=4, spectrum=spectrum, confidence=0.99)
    one, scaled = (projector.precondition(factor * gradient, gradient) for factor in (1.0, scale))
    assert torch.allclose(one, scaled, atol=1e-4) and not scaled[1].any()
    assert scaled[0].square().mean().item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("confidence", [0.0, 0.4, 1.0, math.nan])
def test_a_confidence_out_of_range(confidence):
    for call in (lambda: confine_white_gaussian(noise(1, 8), confidence),
                 lambda: WhiteGaussianProjector(confidence=confidence)):
        with pytest.raises(ValueError, match="confidence"):
            call()
