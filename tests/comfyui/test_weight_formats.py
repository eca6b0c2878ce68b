"""The gradient through weights in each format, against the same numbers in float32."""

import pytest
import torch

from .ascents import Ramp, optimize, relative

FORMAT_NAMES = [
    "float32",
    "bfloat16",
    "float16",
    "fp8 e4m3",
    "fp8 e4m3 on loading",
    "scaled fp8",
    "comfy_quant float8_e4m3fn",
    "comfy_quant mxfp8",
    "comfy_quant nvfp4",
    "comfy_quant int8_tensorwise",
    "GGUF Q8_0",
]


@pytest.fixture(scope="module")
def tiny(pack):
    from . import tiny_models

    return tiny_models


@pytest.fixture(scope="module")
def formats(pack):
    from . import weight_formats

    return weight_formats


@pytest.fixture(scope="module")
def vae(tiny, tmp_path_factory):
    return tiny.taesd(tmp_path_factory.mktemp("vae")).stock


@pytest.fixture(scope="module")
def weights(tiny, tmp_path_factory):
    """The state dict of a tiny FLUX as ComfyUI names it, float32."""
    model = tiny.flux(tmp_path_factory.mktemp("flux")).stock.model.diffusion_model
    return {key: value.clone() for key, value in model.state_dict().items()}


@pytest.fixture(scope="module")
def noise():
    return torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(5))


def gradient(tiny, model, noise, vae, memory="keep"):
    seen = []
    optimize(tiny.guider(model), noise, vae, Ramp(), memory, seen=seen)
    return seen[0]


def cosine(a, b):
    return torch.nn.functional.cosine_similarity(a.flatten().double(), b.flatten().double(), dim=0).item()


@pytest.mark.parametrize("memory", ["keep", "recompute"])
@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_gradient_is_that_of_the_dequantized_model(tiny, formats, weights, noise, vae, name, memory):
    if not formats.host_knows(name):
        pytest.skip(f"this ComfyUI does not know {name}")
    write, closeness = formats.FORMATS[name]
    file = write(weights)
    expected = gradient(tiny, file.load_dequantized(), noise, vae)
    found = gradient(tiny, file.load(), noise, vae, memory)
    print(name, memory, 1 - cosine(found, expected), relative(found, expected))
    assert cosine(found, expected) > closeness
