"""The compact spectrum against an explicit DFT matrix, and as the isometry it has to be."""

import cmath
import math

import pytest
import torch

from preconditioning import compact_spectrum, from_compact_spectrum

pytestmark = pytest.mark.numerical


def dft_compact_spectrum(x: torch.Tensor) -> torch.Tensor:
    """Row by row from the definition: sums of x_n exp(-2 pi i k n / N) / sqrt(N), real bins packed into y_0."""
    n = x.shape[-1]
    matrix = torch.tensor(
        [[cmath.exp(-2j * math.pi * k * m / n) / math.sqrt(n) for m in range(n)] for k in range(n // 2 + 1)],
        dtype=torch.complex128,
    )
    f = x.to(torch.complex128) @ matrix.T
    packed = (f[..., 0] + 1j * f[..., n // 2]) / math.sqrt(2)
    return torch.cat([packed[..., None], f[..., 1 : n // 2]], -1)


@pytest.mark.parametrize("length", [2, 4, 6, 16, 34, 130])
def test_matches_the_dft_matrix(length: int) -> None:
    x = torch.randn(3, length, dtype=torch.float64, generator=torch.Generator().manual_seed(length))
    torch.testing.assert_close(compact_spectrum(x), dft_compact_spectrum(x), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
@pytest.mark.parametrize("shape", [(2,), (1, 6), (2, 3, 64), (2, 1000)])
def test_inverse_both_ways(shape: tuple[int, ...], dtype: torch.dtype, tolerance: float) -> None:
    x = torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(0))
    y = compact_spectrum(x)
    assert y.shape == (*shape[:-1], shape[-1] // 2)
    back = from_compact_spectrum(y)
    assert back.dtype == dtype
    torch.testing.assert_close(back, x, rtol=tolerance, atol=5 * tolerance)
    torch.testing.assert_close(compact_spectrum(back), y, rtol=tolerance, atol=5 * tolerance)


def test_inverse_leaves_its_input_alone() -> None:
    y = compact_spectrum(torch.randn(2, 8, generator=torch.Generator().manual_seed(0)))
    before = y.clone()
    from_compact_spectrum(y)
    assert torch.equal(y, before)


def test_energy_halves_and_white_stays_white() -> None:
    """y is a real isometry of x / sqrt(2), so N(0, I_N) becomes CN(0, I_(N/2)): unit variance in every bin."""
    x = torch.eye(12, dtype=torch.float64)
    y = torch.view_as_real(compact_spectrum(x)).flatten(1)
    torch.testing.assert_close(y.T @ y, torch.eye(12, dtype=torch.float64) / 2)
    torch.testing.assert_close(y @ y.T, torch.eye(12, dtype=torch.float64) / 2)


def test_two_real_bins_share_the_first_number() -> None:
    constant = torch.ones(16, dtype=torch.float64)
    alternating = constant * torch.tensor([1.0, -1.0]).repeat(8)
    y = compact_spectrum(torch.stack([constant, alternating]))
    torch.testing.assert_close(y[0, 0], torch.tensor(math.sqrt(8), dtype=torch.complex128))
    torch.testing.assert_close(y[1, 0], torch.tensor(1j * math.sqrt(8), dtype=torch.complex128))
    assert y[:, 1:].abs().max() < 1e-14


@pytest.mark.parametrize(("length", "works"), [(0, "2 or 4"), (1, "2 or 4"), (7, "6 or 8")])
def test_odd_lengths_are_refused_with_the_lengths_that_work(length: int, works: str) -> None:
    with pytest.raises(ValueError, match=f"got {length}; {works} would work"):
        compact_spectrum(torch.zeros(1, length))
