"""The plain members of the preconditioner family."""

import math

import pytest
import torch

from preconditioning import Unconstrained, WhiteGaussianProjector, project_white_gaussian

from .white_set import in_white_set

pytestmark = pytest.mark.numerical


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return 1e-5 * torch.randn(3, 4, 8, 8, generator=generator), torch.randn(3, 4, 8, 8, generator=generator)


def test_projector_projects_gradient_and_noise() -> None:
    gradient, noise = pair()
    projector = WhiteGaussianProjector(block_size=8)
    assert torch.equal(projector.precondition(gradient, noise), project_white_gaussian(gradient, 8))
    assert torch.equal(projector.retract(noise), project_white_gaussian(noise, 8))


def test_projector_switches() -> None:
    gradient, noise = pair()
    assert torch.equal(WhiteGaussianProjector(project_gradient=False).precondition(gradient, noise), gradient)
    assert torch.equal(WhiteGaussianProjector(project_latent=False).retract(noise), noise)


def test_zero_gradient_stays_zero_and_leaves_its_neighbours_alone() -> None:
    gradient, noise = pair()
    gradient[1] = 0
    direction = WhiteGaussianProjector().precondition(gradient, noise)
    assert direction[1].eq(0).all()
    assert in_white_set(direction).tolist() == [True, False, True]


def test_smallest_gradients_are_not_zero() -> None:
    gradient, noise = pair()
    direction = WhiteGaussianProjector().precondition(gradient * 1e-25, noise)
    torch.testing.assert_close(direction.flatten(1).norm(dim=1), torch.full((3,), math.sqrt(256)))


def test_projector_refuses_a_block_size_on_construction() -> None:
    with pytest.raises(ValueError, match="block_size"):
        WhiteGaussianProjector(block_size=1)


def test_unconstrained_changes_nothing() -> None:
    gradient, noise = pair()
    assert torch.equal(Unconstrained().precondition(gradient, noise), gradient)
    assert torch.equal(Unconstrained().retract(noise), noise)


@pytest.mark.parametrize("block_size", [2, 16])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 3e38], ids=str)
def test_a_sample_that_is_not_finite_becomes_nan_and_spoils_no_other(value, block_size):
    """Also one whose values are finite and whose norm is not."""
    x = torch.randn(3, 64, generator=torch.Generator().manual_seed(0))
    broken, projector = x.clone(), WhiteGaussianProjector(block_size)
    broken[1, 5:10] = value
    for found, expected in (
        (projector.retract(broken), projector.retract(x)),
        (projector.precondition(broken, x), projector.precondition(x, x)),
    ):
        assert torch.isnan(found[1]).all()
        assert torch.equal(found[[0, 2]], expected[[0, 2]])
