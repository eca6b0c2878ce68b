"""The spectra: bijections that keep white noise white, in order of frequency; the projection works in each."""

import math

import pytest
import torch

from preconditioning import (
    WhiteGaussianProjector,
    block_norm_deviations,
    compact_spectrum,
    is_white_gaussian,
    project_white_gaussian,
)
from preconditioning.spectra import SPECTRA, RadialSpectrum, named_spectrum

ROWS = [(6,), (4, 4), (4, 5), (5, 4), (1, 6), (6, 1), (3, 4, 4), (2, 3, 5), (4, 1, 3), (2, 2, 2), (3, 5, 4)]
LATENT = (2, 4, 6, 10)


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("shape", ROWS, ids=str)
def test_the_map_is_an_isometry_onto_all_bins(shape):
    """Its real matrix A, from unit vectors, satisfies A A^T = 2 I / 2: white in, white out, and nothing is lost."""
    count = math.prod(shape)
    units = torch.eye(count, dtype=torch.float64).view(count, *shape)
    y, back = RadialSpectrum(None, "sample").bins(units)
    assert y.shape == (count, count // 2)
    matrix = torch.view_as_real(y).flatten(1) * math.sqrt(2)
    assert torch.allclose(matrix @ matrix.T, torch.eye(count, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(back(), units, atol=1e-12)


@pytest.mark.parametrize("shape", ROWS, ids=str)
def test_changed_bins_come_back(shape):
    """The way back is the inverse for any bins, not only for those of the noise it began with."""
    spectrum = RadialSpectrum(None, "sample")
    y, back = spectrum.bins(noise(3, *shape))
    wanted = torch.view_as_complex(noise(*y.shape, 2, seed=1))
    y.copy_(wanted)
    assert torch.allclose(spectrum.bins(back())[0], wanted, atol=1e-12)


def test_in_one_dimension_it_is_the_compact_spectrum():
    x = noise(2, 12)
    assert torch.allclose(RadialSpectrum(None, "sample").bins(x)[0], compact_spectrum(x))
    assert torch.allclose(SPECTRA["flat"].bins(SPECTRA["flat"].split(noise(2, 3, 2, 2)))[0],
                          compact_spectrum(noise(2, 3, 2, 2).flatten(1)))


def test_bins_are_in_order_of_spatial_frequency_in_every_direction():
    """Plane waves, slow to fast, light up later and later bins, whatever their direction."""
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    waves = sorted((math.hypot(a, b), a, b) for a in range(-3, 4) for b in range(4) if (a > 0 or b > 0))
    places = []
    for _, a, b in waves:
        wave = torch.cos(2 * math.pi * (a * rows + b * columns) / 8 + 0.3)[None].double()
        energy = RadialSpectrum(2, "channel").bins(wave)[0][0].abs().square()
        place = int(energy.argmax())
        assert energy[place].item() == pytest.approx(energy.sum().item(), rel=1e-6)
        places.append(place)
    assert len(set(places)) == len(places)
    for (radius, *_), place in zip(waves, places, strict=True):
        assert all(place < other for (further, *_), other in zip(waves, places, strict=True) if further > radius + 1e-9)


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("shape", [LATENT, (1, 3, 4, 7), (2, 16, 5, 4), (2, 4, 1, 6, 6), (1, 4, 3, 4, 6)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_projection_in_each_spectrum(spectrum, shape, dtype):
    """It reaches the set, stays there, keeps the energy and is nearer than other members of the set."""
    x = noise(*shape, dtype=dtype).cumsum(-1)
    untouched = x.clone()
    z = project_white_gaussian(x, 4, spectrum)
    assert torch.equal(x, untouched)
    assert is_white_gaussian(z, 4, 1e-4, spectrum).all()
    assert torch.allclose(z.flatten(1).square().mean(1), torch.ones(shape[0], dtype=dtype), rtol=1e-4)
    assert torch.allclose(project_white_gaussian(z, 4, spectrum), z, atol=1e-4)
    for seed in range(5):
        other = project_white_gaussian(z + 0.1 * noise(*shape, seed=seed + 9, dtype=dtype), 4, spectrum)
        here, there = ((x - point).flatten(1).norm(dim=1) for point in (z, other))
        assert (here < there).all()


def test_the_spectra_hold_different_sets():
    z = {name: project_white_gaussian(noise(*LATENT), 4, name) for name in SPECTRA}
    for name, member in z.items():
        assert [is_white_gaussian(member, 4, 1e-4, other).all().item() for other in SPECTRA] == \
               [other == name for other in SPECTRA]


def test_per_channel_every_channel_stands_alone():
    x = noise(*LATENT)
    z = project_white_gaussian(x, 4, "per channel")
    assert torch.allclose(z.square().mean((2, 3)), torch.ones(2, 4, dtype=torch.float64))
    assert torch.allclose(z[:, 1:2], project_white_gaussian(x[:, 1:2], 4, "per channel"))
    assert block_norm_deviations(z, 4, "per channel")[0].shape[0] == 2


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_the_projector_passes_its_spectrum_on(spectrum):
    projector = WhiteGaussianProjector(block_size=4, spectrum=spectrum)
    x, gradient = noise(*LATENT), noise(*LATENT, seed=1)
    assert torch.equal(projector.retract(x), project_white_gaussian(x, 4, spectrum))
    assert torch.equal(projector.precondition(1e-8 * gradient, x), project_white_gaussian(1e-8 * gradient, 4, spectrum))


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_what_has_no_gradient_gets_none(spectrum):
    gradient = noise(*LATENT)
    gradient[1] = 0
    gradient[0, 2] = 0
    direction = WhiteGaussianProjector(block_size=4, spectrum=spectrum).precondition(gradient, noise(*LATENT))
    assert not direction[1].any() and direction[0].any()
    assert spectrum != "per channel" or not direction[0, 2].any()


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: named_spectrum("3-D"), "choose one of flat, per channel, volume"),
        (lambda: WhiteGaussianProjector(spectrum="3-D"), "choose one of flat, per channel, volume"),
        (lambda: project_white_gaussian(noise(2, 64), 4, "per channel"), "use the flat spectrum"),
        (lambda: project_white_gaussian(noise(2, 4, 5, 5), 4, "per channel"), "a channel needs an even number"),
        (lambda: project_white_gaussian(noise(2, 4, 4, 4) * math.nan, 4, "per channel"), "NaN"),
    ],
)
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
