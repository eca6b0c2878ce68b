"""The cosine transform against scipy's."""

import numpy as np
import pytest
import scipy.fft
import torch

from preconditioning.cosine_transform import cosine_transform, from_cosine_transform

pytestmark = pytest.mark.numerical


@pytest.mark.parametrize(
    "shape, axes",
    [((2, 3, 8, 8), (-2, -1)), ((2, 7, 11), (-2, -1)), ((1, 2, 1, 6), (-2, -1)), ((2, 3, 5, 4, 6), (-3, -2, -1))],
)
def test_it_is_the_orthonormal_one_and_its_inverse_undoes_it(shape, axes):
    x = torch.randn(shape, dtype=torch.float64)
    before = x.clone()
    coefficients = cosine_transform(x, axes)
    np.testing.assert_allclose(coefficients, scipy.fft.dctn(x.numpy(), axes=axes, norm="ortho"), atol=1e-12)
    torch.testing.assert_close(from_cosine_transform(coefficients, axes), x)
    assert torch.equal(x, before)


def test_a_matrix_made_in_inference_mode_serves_outside():
    with torch.inference_mode():
        cosine_transform(torch.randn(1, 23, 29))
    x = torch.randn(1, 23, 29, requires_grad=True)
    cosine_transform(x).sum().backward()
    assert x.grad is not None
