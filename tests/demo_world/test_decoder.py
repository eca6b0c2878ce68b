import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from demo_world import asset_path

pytestmark = pytest.mark.numerical


def taesd(tensors: dict[str, torch.Tensor], latent: torch.Tensor) -> torch.Tensor:
    """TAESD's decoder, spelled out from its published layout with plain functions."""

    def convolve(x, key):
        return F.conv2d(x, tensors[f"{key}.weight"], tensors.get(f"{key}.bias"), padding=1)

    x = torch.tanh(latent / 3) * 3
    index = 1
    x = convolve(x, f"taesd_decoder.{index}").relu()
    index += 2
    for blocks in (3, 3, 3, 1):
        for _ in range(blocks):
            key = f"taesd_decoder.{index}.conv"
            inner = convolve(convolve(convolve(x, f"{key}.0").relu(), f"{key}.2").relu(), f"{key}.4")
            x = (inner + x).relu()
            index += 1
        if blocks == 3:
            x = convolve(F.interpolate(x, scale_factor=2, mode="nearest"), f"taesd_decoder.{index + 1}")
            index += 2
    return convolve(x, f"taesd_decoder.{index}")


def test_file_is_a_taesd_decoder(world):
    tensors = {key: value.float() for key, value in load_file(asset_path("decoder")).items()}
    latent = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(world.decoder(latent), taesd(tensors, latent), atol=1e-5, rtol=1e-4)


def test_file_names_the_latent_format_of_flux():
    tensors = load_file(asset_path("decoder"))
    assert tensors["vae_scale"].item() == pytest.approx(0.3611)
    assert tensors["vae_shift"].item() == pytest.approx(0.1159)
