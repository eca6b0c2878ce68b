"""Attention that the user, another node or a checkpoint chose, and the gradient."""

import copy
import math

import pytest
import torch

from .ascents import Ramp, optimize, relative

pytestmark = pytest.mark.numerical

SHARPER = 1.5


@pytest.fixture(scope="module")
def flux(tiny, tmp_path_factory):
    return tiny.flux(tmp_path_factory.mktemp("flux"))


@pytest.fixture(scope="module")
def vae(tiny, tmp_path_factory):
    return tiny.kl(tmp_path_factory.mktemp("vae"))


@pytest.fixture(scope="module")
def noise():
    return torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(5))


def gradient(tiny, flux, vae, noise, override=None, memory="keep"):
    seen, model = [], flux.stock.clone()
    if override is not None:
        model.model_options["transformer_options"]["optimized_attention_override"] = override
    optimize(tiny.guider(model), noise, vae.stock, Ramp(), memory, seen=seen)
    if override is not None:
        assert model.model_options["transformer_options"]["optimized_attention_override"] is override
    return seen[0]


def sharper(original, q, *args, **kwargs):
    """Attention at another temperature, as nodes that sharpen it do."""
    return original(SHARPER * q, *args, **kwargs)


def sharper_by_itself(original, q, k, v, heads, mask=None, skip_reshape=False, skip_output_reshape=False, **kwargs):
    """The same without ComfyUI's functions."""
    if not skip_reshape:
        q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    weights = (SHARPER * q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)
    return weights @ v if skip_output_reshape else (weights @ v).transpose(1, 2).flatten(2)


@pytest.mark.parametrize("memory", ["keep", "recompute"])
@pytest.mark.parametrize("override", [sharper, sharper_by_itself])
def test_what_another_node_makes_of_attention_is_in_the_gradient(tiny, flux, vae, noise, override, memory):
    """Against diffusers, where queries that are larger by their norm's weights are the same model."""
    reference = copy.deepcopy(flux.reference)
    for name, parameter in reference.named_parameters():
        if name.rpartition(".")[0].endswith(("norm_q", "norm_added_q")):
            parameter *= SHARPER
    x = noise.clone().requires_grad_(True)
    latent = tiny.reference_latent(reference, x, torch.tensor([1.0, 0.0]))
    expected = torch.autograd.grad(Ramp()(tiny.reference_picture(vae.reference, latent)).sum(), x)[0]
    found = gradient(tiny, flux, vae, noise, override, memory)
    assert relative(found, expected) < 1e-4 < relative(gradient(tiny, flux, vae, noise), expected)


def only_another_kernel(original, *args, **kwargs):
    return original(*args, **kwargs).detach()


@torch.library.custom_op("gper_test::attention", mutates_args=())
def kernel(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.scaled_dot_product_attention(q, k, v)


def another_kernel_that_raises_in_backward(original, q, k, v, heads, skip_reshape=False, **kwargs):
    if not skip_reshape:
        q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    return kernel(q, k, v).transpose(1, 2).flatten(2)


@pytest.mark.parametrize("override", [only_another_kernel, another_kernel_that_raises_in_backward])
def test_another_kernel_gives_way_to_pytorchs(tiny, flux, vae, noise, override):
    assert torch.equal(gradient(tiny, flux, vae, noise, override), gradient(tiny, flux, vae, noise))


def sharper_without_backward(original, q, *args, **kwargs):
    return original(SHARPER * q, *args, **kwargs).detach()


def sharper_with_lost_keys(original, q, k, *args, **kwargs):
    return original(SHARPER * q, k.detach(), *args, **kwargs)


def test_a_gradient_that_is_lost_in_the_run_alone_is_refused_there(tiny, flux, vae, noise):
    """It cannot be tried before, because it asks for what only the model passes on."""

    def override(original, *args, transformer_options=None, **kwargs):
        return original(*args, **kwargs).detach() * transformer_options["sigmas"][0]

    with pytest.raises(ValueError, match="without a backward pass .*override"):
        gradient(tiny, flux, vae, noise, override)


@pytest.fixture
def node(pack, tiny, flux, vae, monkeypatch):
    """Runs the Noise Optimizer with a model; none may be loaded."""
    import comfy.model_management
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise
    from gper_pack.nodes.noise_optimizer import NoiseOptimizer
    from gper_pack.nodes.picture_statistics import PictureStatisticsNode

    class Loaded(Exception):
        pass

    def load(*args, **kwargs):
        raise Loaded

    monkeypatch.setattr(comfy.model_management, "load_models_gpu", load)

    def run(model, method=None):
        reward = PictureStatisticsNode.execute("brightness")[0]
        latent, sigmas = {"samples": torch.zeros(1, 16, 8, 8)}, torch.tensor([1.0, 0.0])
        with torch.inference_mode():
            return NoiseOptimizer.PREPARE_CLASS_CLONE(None).execute(
                Noise_RandomNoise(7),
                tiny.guider(model),
                sigmas,
                latent,
                vae.stock,
                reward,
                "",
                2,
                0.0,
                0.0,
                0,
                method=method,
            )

    run.loaded = Loaded
    return run


@pytest.mark.parametrize("override", [sharper_without_backward, sharper_with_lost_keys])
def test_what_changes_attention_without_a_backward_is_refused_before_the_run(node, flux, override):
    from gper_pack.nodes.inputs.methods import METHODS

    model = flux.stock.clone()
    model.model_options["transformer_options"]["optimized_attention_override"] = override
    with pytest.raises(ValueError, match=rf"test_attention\.{override.__name__}\).*best of seeds"):
        node(model)
    with pytest.raises(node.loaded):
        node(model, METHODS["best of seeds"])


class ComfyAttention(torch.nn.Module):
    """As in ComfyUI from 0.36 on: a checkpoint puts its choice here."""

    def __init__(self, function):
        super().__init__()
        self.function = function


def attention_comfy_kitchen_int8(*args, **kwargs):
    raise AssertionError("no model may get here")


def attention_pytorch(*args, **kwargs):
    raise AssertionError("no model may get here")


def test_attention_that_a_checkpoint_chose_is_answered_as_a_global_one(node, flux, monkeypatch):
    from gper_pack.nodes.differentiable import model_presets
    from gper_pack.nodes.inputs.methods import METHODS

    block = flux.stock.model.diffusion_model.single_blocks[0]
    monkeypatch.setitem(block._modules, "comfy_attention", ComfyAttention(attention_comfy_kitchen_int8))
    with pytest.raises(node.loaded):  # the override wins over it
        node(flux.stock)
    monkeypatch.setattr(model_presets, "PRESETS", ())
    with pytest.raises(ValueError, match="checkpoint asks for attention_comfy_kitchen_int8"):
        node(flux.stock)
    with pytest.raises(node.loaded):
        node(flux.stock, METHODS["best of seeds"])
    for harmless in (attention_pytorch, None):
        monkeypatch.setitem(block._modules, "comfy_attention", ComfyAttention(harmless))
        with pytest.raises(node.loaded):
            node(flux.stock)


CACHES = {
    "qwen_image21_cache": ({"device": "auto", "dtype": "int8"}, "Qwen Image 2.1 Cache"),
    "rel_l1_thresh": (0.4, "TeaCache"),
    "some_cache": (object(), "some_cache"),
}


@pytest.mark.parametrize("key", CACHES)
def test_a_node_that_remembers_other_noise_is_refused(node, flux, key):
    from gper_pack.nodes.inputs.methods import METHODS

    value, name = CACHES[key]
    model = flux.stock.clone()
    model.model_options["transformer_options"][key] = value
    for method in (None, METHODS["best of seeds"]):
        with pytest.raises(ValueError, match=f"{name}.*remembers of another"):
            node(model, method)


def test_a_cache_that_is_off_is_none(node, flux):
    model = flux.stock.clone()
    model.model_options["transformer_options"]["qwen_image21_cache"] = {"device": "off", "dtype": "default"}
    with pytest.raises(node.loaded):
        node(model)


def test_qwen_images_own_memory_of_the_prompt_is_off_while_gradients_are_on(tiny, flux, vae, noise):
    """It is on without any node, and would hand the graph of one evaluation to the next."""
    seen = []

    def override(original, *args, transformer_options=None, **kwargs):
        seen.append(transformer_options.get("qwen_image21_cache"))
        return original(*args, **kwargs)

    gradient(tiny, flux, vae, noise, override)
    assert seen[-1] == {"device": "off"} and "qwen_image21_cache" not in flux.stock.model_options["transformer_options"]
