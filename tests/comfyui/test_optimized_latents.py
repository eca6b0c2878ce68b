"""Which noise of an optimized batch a latent gets, whatever stock nodes made of it."""

import functools
import inspect

import pytest
import torch


def test_an_empty_latent_of_another_model_is_adapted(optimize):
    latent = optimize(latent_image={"samples": torch.zeros(1, 4, 8, 8), "batch_index": [0]}).args[1]
    assert latent["samples"].shape == (1, 16, 8, 8) and latent["batch_index"] == [0]


def test_an_empty_latent_tells_every_ratio_that_comfyui_knows(optimize, monkeypatch):
    import comfy.sample

    told, stock = [], comfy.sample.fix_empty_latent_channels
    known = {"downscale_ratio_spacial": 8, "downscale_ratio_temporal": 4}

    @functools.wraps(stock)
    def fix(model, samples, **ratios):
        told.append(ratios)
        return stock(model, samples, **ratios)

    monkeypatch.setattr(comfy.sample, "fix_empty_latent_channels", fix)
    optimize(latent_image={"samples": torch.zeros(1, 16, 8, 8), **known})
    parameters = inspect.signature(stock).parameters
    assert told[0] == {name: ratio for name, ratio in known.items() if name in parameters}


def test_noise_refuses_another_size_and_names_both(optimize):
    noise = optimize().args[0]
    with pytest.raises(ValueError, match=r"\(2, 16, 8, 8\).*\(2, 16, 8, 16\)"):
        noise.generate_noise({"samples": torch.zeros(2, 16, 8, 16)})
    with pytest.raises(ValueError, match="batch size"):
        noise.generate_noise({"samples": torch.zeros(3, 16, 8, 8)})


def test_noise_honours_batch_index(optimize, wires):
    noise = optimize().args[0]
    whole = noise.generate_noise(wires["latent_image"])
    one = noise.generate_noise({"samples": torch.zeros(1, 16, 8, 8), "batch_index": [1]})
    assert torch.equal(one[0], whole[1])


class OneDrawForEach:
    """Another noise for each picture, whatever its batch_index."""

    seed = 0

    def generate_noise(self, latent):
        return torch.randn(latent["samples"].shape, generator=torch.Generator().manual_seed(0))


def stock_latent(name, **inputs):
    """What a stock node makes of latents."""
    import comfy_extras.nodes_post_processing  # noqa: F401, first: nodes_latent imports it in a circle
    from comfy_extras import nodes_latent

    import nodes

    if hasattr(nodes_latent, name):
        return getattr(nodes_latent, name).execute(**inputs)[0]
    node = getattr(nodes, name)()
    return getattr(node, node.FUNCTION)(**inputs)[0]


def latents_of(way):
    one, two = ({"samples": torch.zeros(batch, 16, 8, 8)} for batch in (1, 2))
    if way == "Latent Batch":
        return stock_latent("LatentBatch", samples1=one, samples2=one)
    if way == "Seed Behavior":
        return stock_latent("LatentBatchSeedBehavior", samples=two, seed_behavior="fixed")
    if way == "swapped":
        parts = [stock_latent("LatentFromBatch", samples=two, batch_index=i, length=1) for i in (1, 0)]
        return stock_latent("LatentBatch", samples1=parts[0], samples2=parts[1])
    if way == "one of many":
        return stock_latent("LatentFromBatch", samples=stock_latent("RepeatLatentBatch", samples=two, amount=3),
                            batch_index=4, length=2)  # fmt: skip
    raise ValueError(way)


@pytest.mark.parametrize(
    "way, index", [("Latent Batch", [0, 0]), ("Seed Behavior", [0, 0]), ("swapped", [1, 0]), ("one of many", [4, 5])]
)
def test_the_optimized_latent_gets_its_own_noises(optimize, way, index):
    """Whatever stock nodes made its batch_index: each picture has the noise that was optimized for it."""
    latent = latents_of(way)
    assert latent["batch_index"] == index
    noise, after = optimize(latent_image=latent, noise=OneDrawForEach()).args[:2]
    assert not torch.equal(noise.noise[0], noise.noise[1])
    for same in (latent, after, {"samples": latent["samples"]}):
        assert torch.equal(noise.generate_noise(same), noise.noise)


def test_picks_of_an_optimized_batch_follow_its_own_count(optimize):
    latent = latents_of("one of many")
    noise = optimize(latent_image=latent).args[0]
    for i in (0, 1):
        pick = stock_latent("LatentFromBatch", samples=latent, batch_index=i, length=1)
        assert torch.equal(noise.generate_noise(pick), noise.noise[i : i + 1])
    swapped = {**latent, "batch_index": [5, 4]}
    assert torch.equal(noise.generate_noise(swapped), noise.noise.flip(0))


def test_picks_that_cannot_be_told_are_refused(optimize):
    twice = latents_of("Latent Batch")
    noise = optimize(latent_image=twice, noise=OneDrawForEach()).args[0]
    with pytest.raises(ValueError, match="with different noises for 0: sample the whole batch"):
        noise.generate_noise(stock_latent("LatentFromBatch", samples=twice, batch_index=1, length=1))
    three = {"samples": torch.zeros(3, 16, 8, 8)}
    with pytest.raises(ValueError, match="there is none for 2"):
        optimize().args[0].generate_noise(stock_latent("LatentFromBatch", samples=three, batch_index=1, length=2))
