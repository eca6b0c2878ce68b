"""In float16, which graphics cards run SDXL in, a reward of small numbers gives the same gradient as one of large."""

import pytest
import torch

from .ascents import Ramp, optimize, relative

pytestmark = pytest.mark.numerical

SMALL, LARGE = 1e-4, 1e3  # times the gradient's numbers, about 1e-4: below all of float16, and well inside it


@pytest.mark.parametrize("memory", ["keep", "recompute"])
def test_the_scale_of_the_reward_does_not_matter(pack, tmp_path, memory):
    from . import tiny_unet

    family = tiny_unet.sdxl_turbo(tmp_path)
    with torch.inference_mode():
        family.stock.model.to(torch.float16)
    family.stock.set_model_compute_dtype(torch.float16)

    def gradient(factor):
        seen = []
        optimize(
            family.guider,
            family.noise,
            family.vae,
            lambda images: factor * Ramp()(images),
            memory,
            sigmas=family.sigmas,
            seen=seen,
        )
        return seen[0] / factor

    assert relative(gradient(SMALL), gradient(LARGE)) < 1e-2


def test_nor_in_the_vae(pack, tmp_path):
    from gper_pack.nodes.differentiable.ordinary_tensors import freeze_as_ordinary
    from gper_pack.nodes.differentiable.vae_decode import decode

    from . import tiny_models

    vae = tiny_models.taesd(tmp_path, smooth=True).stock
    vae.first_stage_model.to(torch.float16)
    freeze_as_ordinary(vae.first_stage_model)
    vae.vae_dtype = torch.float16
    latent = torch.randn(1, 16, 4, 4, generator=torch.Generator().manual_seed(6)).requires_grad_(True)

    def gradient(factor):
        return torch.autograd.grad(factor * Ramp()(decode(vae, latent)).sum(), latent)[0] / factor

    assert relative(gradient(SMALL), gradient(LARGE)) < 1e-2
