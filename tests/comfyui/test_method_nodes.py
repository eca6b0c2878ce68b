"""Optimization Method and White-Gaussian Projector by themselves: what they hand on, and what they refuse."""

import math

import pytest
import torch


@pytest.mark.parametrize("method", ["MPGR", "PRNO", "ReNO"])
def test_the_penalty_weight_multiplies_the_published_one(pack, method):
    from gper_pack.nodes.optimization_method import OptimizationMethod

    published, doubled, none = (
        OptimizationMethod.execute(method, penalty_weight=weight)[0].recipe.preconditioner for weight in (1.0, 2.0, 0.0)
    )
    noise, gradient = 3 * torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8)
    once, twice, never = (p.precondition(gradient, noise) - gradient for p in (published, doubled, none))
    assert torch.allclose(twice, 2 * once, atol=1e-4) and once.any() and not never.any()


@pytest.mark.parametrize(
    "call, message",
    [
        (dict(method="gper"), "There is no method"),
        (dict(method="GPER", optimizer="LBFGS"), "There is no optimizer"),
        (dict(method="GPER", gradient_clip="2"), "gradient_clip is '2'"),
        (dict(method="ReNO", penalty_weight=math.nan), "penalty_weight is nan"),
        (dict(method="GPER", penalty_weight=-1.0), "penalty_weight is -1"),
        (dict(method="local search", search_radius=math.nan), "search_radius is nan"),
    ],
)
def test_refused(pack, call, message):
    from gper_pack.nodes.optimization_method import OptimizationMethod

    with pytest.raises(ValueError, match=message):
        OptimizationMethod.execute(**call)


def test_the_projector_node_passes_its_widgets_on(pack):
    from gper_pack.nodes.white_gaussian_projector import WhiteGaussianProjectorNode
    from gper_pack.preconditioning import WhiteGaussianProjector

    assert WhiteGaussianProjectorNode.execute(16, True, True)[0] == WhiteGaussianProjector()
    assert WhiteGaussianProjectorNode.execute(8, True, False)[0] == WhiteGaussianProjector(
        block_size=8, project_gradient=True, project_latent=False
    )
