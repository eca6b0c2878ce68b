"""Latents that Score Images has picked and sorted, given to stock samplers: each picture keeps its own noise."""

from types import SimpleNamespace

import pytest
import torch

SEED = 2


@pytest.fixture(scope="module")
def stock(flux, vaes, tiny):
    """Stock sampling and decoding; one step from noise alone, so that the noise makes the picture."""
    from comfy_extras.nodes_custom_sampler import KSamplerSelect, SamplerCustomAdvanced

    import nodes

    guider, euler = tiny.guider(flux), KSamplerSelect.execute("euler")[0]

    def paint(noise, latent):
        with torch.inference_mode():
            made = SamplerCustomAdvanced.execute(noise, guider, euler, torch.tensor([1.0, 0.0]), latent)[0]
            return made, nodes.VAEDecode().decode(vaes["taesd"], made)[0]

    return SimpleNamespace(paint=paint, pick=nodes.LatentFromBatch().frombatch)


@pytest.fixture(scope="module")
def pick_best(node_classes):
    brightness = node_classes["GPER_PictureStatistics"].execute("brightness")[0]

    def pick(images, latent, keep):
        """Best pictures, their latents, and which they were, best first."""
        best, chosen, _, scores = node_classes["GPER_ScoreImages"].execute(images, brightness, "", keep, latent).args
        return best, chosen, torch.tensor(scores).argsort(descending=True)[:keep].tolist()

    return pick


@pytest.fixture(scope="module")
def optimized(node_classes, flux, vaes, tiny):
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise

    wires = dict(
        noise=Noise_RandomNoise(SEED),
        guider=tiny.guider(flux),
        sigmas=torch.tensor([1.0, 0.0]),
        vae=vaes["taesd"],
        reward=node_classes["GPER_PictureStatistics"].execute("contrast")[0],
    )
    settings = dict(prompt="", steps=2, learning_rate=0.1, time_budget=0.0, preview_every=0)

    def optimize(latent):
        with torch.inference_mode():
            node = node_classes["GPER_NoiseOptimizer"].PREPARE_CLASS_CLONE(None)
            return node.execute(**wires, **settings, latent_image=latent)[0]

    return optimize


@pytest.mark.parametrize("keep", [1, 2, 4])
@pytest.mark.parametrize("index", [None, [5, 3, 9, 4]], ids=["counted", "of a larger batch"])
@pytest.mark.parametrize("source", ["Noise Optimizer", "Load Noise", "Noise Variations", "RandomNoise"])
def test_sampled_again_they_are_the_same_pictures(host, node_classes, stock, pick_best, optimized, source, index, keep):
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise

    latent = {"samples": torch.zeros(4, 16, 8, 8)} | ({} if index is None else {"batch_index": index})
    noise = Noise_RandomNoise(SEED) if source == "RandomNoise" else optimized(latent)
    if source == "Load Noise":
        name = node_classes["GPER_SaveNoise"].PREPARE_CLASS_CLONE(None).execute(noise, "picked")[0]
        noise, latent = node_classes["GPER_LoadNoise"].execute(name).args[:2]
        (host / "output" / "noises" / name).unlink()
    if source == "Noise Variations":
        noise, latent = node_classes["GPER_NoiseVariations"].execute(noise, latent, 2, 0.5, 1).args
    made, images = stock.paint(noise, latent)
    best, chosen, order = pick_best(images, made, keep)
    assert order != list(range(len(order))), "choose a seed whose pictures are not in order already"
    torch.testing.assert_close(stock.paint(noise, chosen)[1], best, rtol=0, atol=1e-5)


MASKS = {"no mask": None, "one for all": 1, "one each": 3, "fewer than pictures": 2, "more than pictures": 5}


@pytest.mark.parametrize("masks", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("index", [None, [4, 9, 6]])
def test_picked_as_the_stock_node_picks(stock, pick_best, index, masks):
    """What LatentFromBatch makes of each of the pictures."""
    latent = {"samples": torch.arange(3.0).view(3, 1, 1, 1), "something_else": "kept"}
    if index is not None:
        latent["batch_index"] = index
    if masks:
        latent["noise_mask"] = torch.arange(float(masks)).view(masks, 1, 1, 1)
    before = dict(latent)
    images = torch.tensor([0.2, 0.8, 0.5]).view(3, 1, 1, 1).expand(3, 32, 32, 3)
    _, chosen, order = pick_best(images, latent, 2)
    picks = [stock.pick(latent, i, 1)[0] for i in order]
    assert order == [1, 2] and latent == before and chosen.keys() == picks[0].keys()
    assert chosen["batch_index"] == [pick["batch_index"][0] for pick in picks] and chosen["something_else"] == "kept"
    assert torch.equal(chosen["samples"], torch.cat([pick["samples"] for pick in picks]))
    if masks == 1:
        assert torch.equal(chosen["noise_mask"], latent["noise_mask"])
    elif masks:
        assert torch.equal(chosen["noise_mask"], torch.cat([pick["noise_mask"] for pick in picks]))
