"""Noise Variations called as ComfyUI calls it; its arithmetic is tested in tests/preconditioning/test_variations.py."""

import pytest
import torch

SHAPE = (2, 16, 8, 8)


@pytest.fixture(scope="module")
def vary(node_classes):
    return node_classes["GPER_NoiseVariations"].execute


@pytest.fixture(scope="module")
def optimized(pack):
    from gper_pack.nodes.noises.optimized_noise import OptimizedNoise
    from gper_pack.preconditioning import draw_white_gaussian
    from gper_pack.runs.noise_history import NoiseHistory

    return OptimizedNoise(7, draw_white_gaussian(SHAPE), NoiseHistory(reward="beauty"))


def latent(batch=2, channels=16, **more):
    return {"samples": torch.zeros(batch, channels, 8, 8), **more}


def test_noise_and_latent_fit_each_other(vary, optimized):
    noise, repeated = vary(optimized, latent(), count=3, distance=0.3, seed=5).args
    drawn = noise.generate_noise(repeated)
    assert drawn.shape == (6, 16, 8, 8) and noise.seed == 7
    assert torch.equal(drawn, noise.generate_noise(repeated))
    alike = torch.nn.functional.cosine_similarity(
        drawn.flatten(1), optimized.noise.repeat_interleave(3, 0).flatten(1), dim=1
    )
    assert (alike > 0.7).all() and (alike < 0.99).all()
    assert noise.history.reward == "beauty" and noise.history.variation == "distance 0.3, seed 5"


def test_a_variation_of_a_variation_tells_both(vary, optimized):
    first, repeated = vary(optimized, latent(), count=3, distance=0.3, seed=5).args
    second = vary(first, repeated, count=1, distance=0.1, seed=6, picture=2)[0]
    assert second.history.variation == "distance 0.3, seed 5, then of picture 2, distance 0.1, seed 6"
    assert "variation: distance 0.3, seed 5, then of picture 2" in second.history.text()


def test_distance_0_is_the_noise_itself(vary, optimized):
    noise, repeated = vary(optimized, latent(), count=1, distance=0.0).args
    assert torch.equal(noise.generate_noise(repeated), optimized.noise)


def test_one_picture_of_the_batch(vary, optimized):
    noise, repeated = vary(optimized, latent(), count=2, distance=0.0, picture=2).args
    assert torch.equal(noise.generate_noise(repeated), optimized.noise[[1, 1]])
    assert "picture 2" in noise.history.variation
    with pytest.raises(ValueError, match="picture is 3, but the noise holds 2"):
        vary(optimized, latent(), picture=3)


def test_any_noise_can_be_varied(vary):
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise

    random = Noise_RandomNoise(3)
    noise, repeated = vary(random, latent(1, 4), count=2, distance=0.0).args
    assert torch.equal(noise.generate_noise(repeated)[1:], random.generate_noise(latent(1, 4)))
    varied = vary(random, latent(1, 4), count=2, distance=0.5)[0]
    assert varied.history.reward == "" and varied.seed == 3


def test_an_empty_latent_of_another_model_gets_the_channels(vary, optimized):
    noise, repeated = vary(optimized, latent(channels=4), count=2).args
    assert repeated["samples"].shape == (4, 16, 8, 8)
    assert noise.generate_noise(repeated).shape == (4, 16, 8, 8)


def test_masks_and_everything_else_follow(vary, optimized):
    given = latent(noise_mask=torch.arange(2.0).view(2, 1, 1), batch_index=[0, 1], something_else="kept")
    given["samples"] = torch.stack([torch.full((16, 8, 8), float(i + 1)) for i in range(2)])
    _, repeated = vary(optimized, given, count=2).args
    assert repeated["samples"][:, 0, 0, 0].tolist() == [1, 1, 2, 2]
    assert repeated["noise_mask"].flatten().tolist() == [0, 0, 1, 1]
    assert "batch_index" not in repeated and repeated["something_else"] == "kept"
    assert given["samples"].shape[0] == 2 and given["batch_index"] == [0, 1]
    one_mask = torch.ones(1, 64, 64)
    assert vary(optimized, latent(noise_mask=one_mask), count=2)[1]["noise_mask"] is one_mask


@pytest.mark.parametrize(
    "wrong, message",
    [(latent(1), "optimized for a latent of shape"), (latent(2, 4) | {"samples": torch.ones(2, 4, 8, 8)}, "shape")],
)
def test_a_latent_that_does_not_fit_is_refused(vary, optimized, wrong, message):
    with pytest.raises(ValueError, match=message):
        vary(optimized, wrong)


def test_the_old_latent_after_it_is_refused_with_advice(vary, optimized):
    noise, _ = vary(optimized, latent(), count=4).args
    with pytest.raises(ValueError, match="Connect the latent that comes out of Noise Variations"):
        noise.generate_noise(latent())
