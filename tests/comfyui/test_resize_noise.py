"""Resize Noise called as ComfyUI calls it; its arithmetic is tested in tests/preconditioning/test_resize.py."""

import pytest
import torch

SHAPE = (2, 16, 8, 8)


@pytest.fixture(scope="module")
def resize(node_classes):
    return node_classes["GPER_ResizeNoise"].execute


def optimized_noise(shape=SHAPE, **more):
    from gper_pack.nodes.noises.optimized_noise import OptimizedNoise
    from gper_pack.preconditioning import draw_white_gaussian
    from gper_pack.runs.noise_history import NoiseHistory

    return OptimizedNoise(7, draw_white_gaussian(shape), NoiseHistory(reward="beauty"), **more)


@pytest.fixture(scope="module")
def optimized(pack):
    return optimized_noise()


def latent(batch=2, channels=16, height=12, width=20, **more):
    return {"samples": torch.zeros(batch, channels, height, width), **more}


def test_noise_and_latent_fit_each_other(resize, optimized):
    from gper_pack.preconditioning import resize_white_noise

    noise, target = resize(optimized, latent(), seed=5).args
    drawn = noise.generate_noise(target)
    expected = resize_white_noise(optimized.noise, 12, 20, torch.Generator().manual_seed(5))
    assert torch.equal(drawn, expected) and drawn.shape == (2, 16, 12, 20) and noise.seed == 7
    assert not torch.equal(drawn, resize(optimized, latent(), seed=6)[0].generate_noise(target))
    assert noise.history.reward == "beauty" and noise.history.variation == "resized from 8 x 8 to 20 x 12, seed 5"


def test_the_same_size_is_the_noise_itself(resize, optimized):
    noise, target = resize(optimized, latent(height=8, width=8)).args
    assert torch.equal(noise.generate_noise(target), optimized.noise)


def test_it_is_still_noise_for_noise_statistics(resize, optimized, node_classes):
    noise, target = resize(optimized, latent(height=32, width=24)).args
    verdict = node_classes["GPER_NoiseStatistics"].execute(target, noise)[1]
    assert verdict.count("looks like white noise") == 2


def test_one_latent_serves_all_pictures_of_the_noise(resize, optimized):
    mask = torch.ones(1, 96, 160)
    noise, target = resize(optimized, latent(1, noise_mask=mask, batch_index=[3], something_else="kept")).args
    assert target["samples"].shape == (2, 16, 12, 20) and noise.generate_noise(target).shape == (2, 16, 12, 20)
    assert target["noise_mask"] is mask and "batch_index" not in target and target["something_else"] == "kept"


def test_the_numbers_of_the_target_are_the_noise_s(resize, optimized):
    noise, target = resize(optimized, latent(batch_index=[4, 9])).args
    assert noise.batch_index == [4, 9]
    picked = noise.generate_noise({**target, "samples": target["samples"][1:], "batch_index": [9]})
    assert torch.equal(picked, noise.generate_noise(target)[1:])


def test_an_empty_latent_of_another_model_gets_the_channels(resize, optimized):
    noise, target = resize(optimized, latent(channels=4)).args
    assert target["samples"].shape == (2, 16, 12, 20)


def test_a_picture_s_latent_is_handed_on(resize, optimized):
    picture = {"samples": torch.rand(2, 16, 12, 20)}
    assert resize(optimized, picture)[1]["samples"] is picture["samples"]


@pytest.mark.parametrize("frames", [1, 3])
def test_videos_keep_their_frames(resize, pack, frames):
    video = optimized_noise((1, 16, frames, 8, 8))
    target = {"samples": torch.zeros(1, 16, frames, 12, 20)} if frames > 1 else latent(1)
    noise, target = resize(video, target).args
    assert noise.generate_noise(target).shape == target["samples"].shape == (1, 16, frames, 12, 20)


def test_other_noise_needs_the_latent_of_its_size(resize, pack):
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise
    from gper_pack.preconditioning import resize_white_noise

    random, old = Noise_RandomNoise(3), latent(height=8, width=8)
    with pytest.raises(ValueError, match="connect the latent of the old size to Resize Noise"):
        resize(random, latent())
    noise, target = resize(random, latent(), seed=1, latent=old).args
    expected = resize_white_noise(random.generate_noise(old), 12, 20, torch.Generator().manual_seed(1))
    assert torch.equal(noise.generate_noise(target), expected) and noise.history.reward == ""


@pytest.mark.parametrize(
    "wrong, message",
    [
        (latent(3), "for 2 pictures, but latent_image holds 3: set its batch_size to 2"),
        ({"samples": torch.ones(2, 4, 12, 20)}, r"\(2, 16, 8, 8\) and latent_image \(2, 4, 12, 20\)"),
        ({"samples": torch.zeros(2, 16, 3, 12, 20)}, "same kind of model"),
        (latent(height=13, width=21, channels=16) | {"samples": torch.zeros(2, 16, 13, 21)}, None),
    ],
)
def test_latents_that_do_not_fit(resize, optimized, wrong, message):
    if message is None:  # an odd size with an even number of elements in all is fine
        assert resize(optimized, wrong)[1]["samples"].shape == (2, 16, 13, 21)
        return
    with pytest.raises(ValueError, match=message):
        resize(optimized, wrong)


def test_the_old_latent_after_it_is_refused_with_advice(resize, optimized):
    noise, _ = resize(optimized, latent()).args
    with pytest.raises(ValueError, match="Connect the latent that comes out of Resize Noise"):
        noise.generate_noise(latent(height=8, width=8))
