"""The Noise Statistics node on noise, on a latent, and on what is no noise."""

import pytest
import torch


@pytest.fixture(scope="module")
def inspect(node_classes):
    return node_classes["GPER_NoiseStatistics"].execute


def test_white_noise_and_stripes(inspect):
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise

    latent = {"samples": torch.zeros(2, 16, 32, 32)}
    picture, verdict = inspect(latent, Noise_RandomNoise(3)).args
    assert picture.shape[0] == 1 and picture.shape[-1] == 3 and picture.min() >= 0 and picture.max() <= 1
    assert len(verdict.splitlines()) == 2 and verdict.count("looks like white noise") == 2
    stripes = torch.randn(1, 16, 32, 32, generator=torch.Generator().manual_seed(0))
    stripes = stripes + 2 * torch.sin(torch.arange(32.0))[:, None]
    other, flawed = inspect({"samples": stripes}).args
    assert "one frequency dominates" in flawed and "looks like white noise" not in flawed
    assert not torch.equal(other, picture)
