"""The lowest Haar band against the transform written out as matrices."""

import numpy as np
import pytest
import torch

from preconditioning import HaarBand

pytestmark = pytest.mark.numerical


def haar_matrix(length, level):
    """Rows of the orthonormal transform's scaling functions, by averaging pairs `level` times."""
    rows = np.eye(length)
    for _ in range(level):
        rows = (rows[0::2] + rows[1::2]) / np.sqrt(2)
    return rows


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(
    "shape, level, used",
    [
        ((2, 3, 32, 48), 4, 4),
        ((2, 3, 8, 24), 4, 3),
        ((1, 2, 12, 20), 4, 2),
        ((1, 2, 7, 16), 4, 0),
        ((1, 2, 16, 16), 1, 1),
        ((1, 2, 16, 16), 0, 0),
        ((2, 3, 5, 16, 32), 4, 4),
    ],
)
def test_coefficients_are_those_of_the_transform(shape, level, used):
    x, band = noise(*shape), HaarBand(level)
    assert band.side(x) == 2**used
    left, right = haar_matrix(shape[-2], used), haar_matrix(shape[-1], used)
    expected = np.einsum("ih,...hw,jw->...ij", left, x.numpy(), right)
    np.testing.assert_allclose(band.coefficients(x), expected.reshape(shape[0], -1), atol=1e-12)


@pytest.mark.parametrize("shape", [(2, 3, 32, 48), (1, 2, 7, 16), (2, 3, 5, 16, 32)])
def test_replacing_changes_the_coefficients_and_no_detail(shape):
    x, other, band = noise(*shape), noise(*shape, seed=1), HaarBand()
    before = x.clone()
    mixed = band.replaced(x, band.coefficients(other))
    torch.testing.assert_close(band.coefficients(mixed), band.coefficients(other))
    details = [n - band.replaced(torch.zeros_like(n), band.coefficients(n)) for n in (mixed, x)]
    torch.testing.assert_close(*details)
    torch.testing.assert_close(band.replaced(x, band.coefficients(x)), x)
    assert torch.equal(x, before)


def test_white_noise_has_white_coefficients():
    coefficients = HaarBand().coefficients(noise(64, 4, 64, 64))
    assert coefficients.shape == (64, 64) and abs(coefficients.mean()) < 0.06
    assert abs(coefficients.square().mean() - 1) < 0.1


def test_the_dtype_is_kept():
    x = noise(1, 2, 16, 16).half()
    band = HaarBand()
    assert band.coefficients(x).dtype == band.replaced(x, band.coefficients(x)).dtype == torch.float16


def test_what_has_no_rows_and_columns_is_refused():
    with pytest.raises(ValueError, match="rows and columns"):
        HaarBand().coefficients(noise(2, 64))
    with pytest.raises(ValueError, match="level is -1"):
        HaarBand(-1)
