"""A latent with a noise mask: the noise under it is optimized, the rest of it is the start's."""

import pytest
import torch

METHODS = ["GPER", "MPGR", "ReNO", "none", "best of seeds", "local search", "spectral evolution"]


def masked(size=8, batch=2, side=64):
    """A LATENT whose mask is white in one corner, each picture in another."""
    mask = torch.zeros(batch, 1, side, side)
    mask[0, :, : side // 2, : side // 2] = 1
    mask[1:, :, side // 2 :, side // 4 :] = 0.5
    samples = torch.randn(batch, 16, size, size, generator=torch.Generator().manual_seed(5))
    return {"samples": samples, "noise_mask": mask}


@pytest.mark.parametrize("method", METHODS)
def test_noise_outside_the_mask_is_that_of_the_start(optimize, wires, method):
    from gper_pack.nodes.inputs.methods import METHODS

    latent = masked()
    result = optimize(latent_image=latent, method=METHODS[method], steps=5)
    noise, start = (source.generate_noise(latent) for source in (result.args[0], wires["noise"]))
    outside = torch.nn.functional.interpolate(latent["noise_mask"], (8, 8), mode="bilinear").expand_as(start) == 0
    assert torch.equal(noise[outside], start[outside])
    assert not torch.equal(noise, start)
    assert "outside the latent's noise mask stays" in result.args[2]


def test_seeds_first_and_equal_pull_keep_it_too(optimize, wires, node_classes):
    statistic, mix = (node_classes[f"GPER_{name}"].execute for name in ("PictureStatistics", "RewardMix"))
    latent = masked()
    reward = mix(statistic("contrast")[0], statistic("brightness")[0])[0]
    result = optimize(latent_image=latent, reward=reward, seeds_first=4)
    noise, start = (source.generate_noise(latent) for source in (result.args[0], wires["noise"]))
    assert torch.equal(noise[0, :, 5:], start[0, :, 5:]) and not torch.equal(noise, start)


def test_the_part_under_the_mask_is_white_by_itself(optimize):
    from gper_pack.preconditioning.white_noise import block_norm_deviations

    latent = masked()
    noise = optimize(latent_image=latent, steps=10).args[0].generate_noise(latent)
    one_norm, energy = block_norm_deviations(noise[:1, :, :4, :4])
    assert one_norm.abs().max() < 1e-3 and energy.abs().max() < 1e-3


def test_an_empty_mask_is_refused_before_anything_is_loaded(optimize, monkeypatch):
    import comfy.model_management

    def must_not_load(*args, **kwargs):
        raise AssertionError("a model was loaded first")

    monkeypatch.setattr(comfy.model_management, "load_models_gpu", must_not_load)
    latent = masked()
    latent["noise_mask"] = torch.zeros(1, 1, 64, 64)
    with pytest.raises(ValueError, match="noise mask of latent_image is empty") as error:
        optimize(latent_image=latent)
    assert "\n" not in str(error.value)
