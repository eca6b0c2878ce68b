"""The same gradient wherever the weights are, and no cast copy of a weight that outlives its layer."""

from contextlib import nullcontext

import pytest
import torch

from tools.live_memory import LiveMemory

from .ascents import Ramp, optimize, relative, rounding

pytestmark = pytest.mark.numerical


@pytest.fixture(scope="module")
def families(pack, tmp_path_factory):
    from . import tiny_flux, tiny_unet

    return {
        "FLUX": tiny_flux.schnell(tmp_path_factory.mktemp("flux")),
        "SDXL": tiny_unet.sdxl_turbo(tmp_path_factory.mktemp("sdxl")),
    }


@pytest.fixture
def streamed(pack, monkeypatch):
    from .streamed_weights import StreamedWeights

    return StreamedWeights(monkeypatch)


def gradient(family, memory, model=None):
    guider = family.guider
    if model is not None:
        guider.model_patcher = model
    seen = []
    optimize(guider, family.noise, family.vae, Ramp(), memory, sigmas=family.sigmas, seen=seen)
    return seen[0]


@pytest.fixture(scope="module", params=[torch.bfloat16, torch.float16], ids=str)
def sixteen_bit(pack, request, tmp_path_factory):
    """The same models with their weights in 16 bit and computing in it."""
    from . import tiny_flux, tiny_unet

    made = {
        "FLUX": tiny_flux.schnell(tmp_path_factory.mktemp("flux")),
        "SDXL": tiny_unet.sdxl_turbo(tmp_path_factory.mktemp("sdxl")),
    }
    for family in made.values():
        with torch.inference_mode():
            family.stock.model.to(request.param)
        family.stock.set_model_compute_dtype(request.param)
    return made


@pytest.mark.parametrize("resident_share", [0.5, 0.0])
@pytest.mark.parametrize("memory", ["keep", "recompute"])
@pytest.mark.parametrize("layout", ["FLUX", "SDXL"])
def test_offloaded_weights_give_the_same_gradient(families, streamed, layout, memory, resident_share):
    family = families[layout]
    expected = gradient(family, memory)
    model = family.stock.clone()
    layers = streamed.offload(model, resident_share)
    found = gradient(family, memory, model)
    assert layers[-1] > 0 and streamed.casts > 0
    assert relative(found, expected) < 1e-5


@pytest.mark.parametrize("memory", ["keep", "recompute"])
@pytest.mark.parametrize("layout", ["FLUX", "SDXL"])
def test_dynamic_vram_gives_the_same_gradient(families, streamed, layout, memory):
    """Every layer streamed, those of the VAE too."""
    family = families[layout]
    expected = gradient(family, memory)
    for model in (family.stock.model, family.vae.first_stage_model):
        assert streamed.stream_all(model) > 0
    assert relative(gradient(family, memory), expected) < 1e-5


@pytest.mark.parametrize("memory", ["keep", "recompute"])
@pytest.mark.parametrize("layout", ["FLUX", "SDXL"])
def test_streamed_weights_give_the_same_gradient_in_16_bit(sixteen_bit, streamed, layout, memory):
    """Forwards the same bits; backwards another matrix product adds in another order.

    Few numbers, 1 in 10,000, then round the other way, and the layers below multiply that up to what their own
    rounding costs, 1.6 (bfloat16) and 1.9 times one rounding; keep and recompute of resident weights are as far apart.
    """
    family = sixteen_bit[layout]
    expected = gradient(family, memory)
    streamed.stream_all(family.stock.model)
    found = gradient(family, memory)
    assert relative(found, expected) < 4 * rounding(next(family.stock.model.parameters()).dtype)


@pytest.mark.parametrize("memory", ["keep", "recompute"])
def test_without_casting_again_streamed_weights_spoil_the_gradient(families, streamed, monkeypatch, memory):
    """The trap is there: what autograd saved has been overwritten when it is read."""
    from gper_pack.nodes.differentiable import gradient_run

    streamed.stream_all(families["FLUX"].stock.model)
    monkeypatch.setattr(gradient_run, "cast_again", lambda *models: nullcontext())
    with pytest.raises(ValueError, match="--disable-dynamic-vram"):
        gradient(families["FLUX"], memory)
    monkeypatch.setattr(gradient_run, "check_streamed_gradient", lambda *args: None)
    with pytest.raises(IndexError):  # no gradient to see: the ascent refuses one that is not finite
        gradient(families["FLUX"], memory)


def test_only_streamed_weights_are_checked(families, streamed):
    """A run without streaming costs its two evaluations and the final picture; with it, two evaluations more."""
    family = families["FLUX"]
    evaluations = []
    handle = family.stock.model.diffusion_model.img_in.register_forward_hook(lambda *_: evaluations.append(1))
    gradient(family, "keep")
    plain = len(evaluations)
    streamed.stream_all(family.stock.model)
    gradient(family, "keep")
    handle.remove()
    assert len(evaluations) - plain == plain + 2


@pytest.mark.parametrize("memory", ["keep", "recompute"])
def test_weights_that_a_model_casts_past_their_layer(families, streamed, monkeypatch, memory):
    """As ComfyUI's Z-Image does with its scales: cast, used with gradients on, let go."""
    import comfy.ops

    family = families["FLUX"]
    model = family.stock.model
    layer = model.diffusion_model.img_in

    def past_its_layer(x):
        weight, bias, handle = comfy.ops.cast_bias_weight(layer, x, offloadable=True)
        result = torch.nn.functional.linear(x, weight, bias)
        comfy.ops.uncast_bias_weight(layer, weight, bias, handle)
        return result

    expected = gradient(family, memory)
    streamed.stream_all(model)
    monkeypatch.setattr(type(model.diffusion_model), "img_in", property(lambda self: past_its_layer), raising=False)
    assert relative(gradient(family, memory), expected) < 1e-5


def test_layers_are_as_before_afterwards(families, streamed):
    import comfy.ops

    family = families["SDXL"]
    models = (family.stock.model, family.vae.first_stage_model)
    for model in models:
        streamed.stream_all(model)
    cast = comfy.ops.cast_bias_weight
    gradient(family, "keep")
    assert comfy.ops.cast_bias_weight == cast
    replaced = {"forward", "forward_comfy_cast_weights", "_conv_forward"}
    assert not any(replaced & set(part.__dict__) for model in models for part in model.modules())


def test_no_block_is_cast_ahead(families, monkeypatch):
    """A block that was prefetched may be replayed as a CUDA graph, of which autograd knows nothing."""
    import comfy.model_management as management

    prefetching = pytest.importorskip("comfy.model_prefetch", reason="this ComfyUI casts no block ahead")
    monkeypatch.setattr(management, "NUM_STREAMS", 2)
    monkeypatch.setattr(management, "is_device_cpu", lambda device: False)
    monkeypatch.setattr(management, "device_supports_non_blocking", lambda device: True)
    device, options = torch.device("cpu"), {"prefetch_dynamic_vbars": True}
    queues = []

    def look(*_):
        queues.append(prefetching.make_prefetch_queue([], device, options))

    handle = families["FLUX"].stock.model.diffusion_model.register_forward_hook(look)
    gradient(families["FLUX"], "keep")
    handle.remove()
    *ascent, final_picture = queues  # the last one is sampled without gradients
    assert len(ascent) >= 2 and all(queue is None for queue in ascent) and final_picture == [None, None]
    assert prefetching.make_prefetch_queue([], device, options) == [None, None]
    prefetching.PREFETCH_QUEUES.clear()


@pytest.fixture(scope="module")
def eight_bit(pack, tmp_path_factory):
    """FLUX with fp8 weights, of as many single blocks as asked."""
    from . import tiny_models, weight_formats

    whole = tiny_models.flux(tmp_path_factory.mktemp("blocks")).stock.model.diffusion_model.state_dict()

    def load(blocks):
        some = {
            key: value
            for key, value in whole.items()
            if not key.startswith("single_blocks.") or int(key.split(".")[1]) < blocks
        }
        return weight_formats.in_dtype(torch.float8_e4m3fn)(some).load()

    return load


@pytest.mark.parametrize("casting_again", [True, False])
def test_cast_weights_do_not_add_up(eight_bit, families, monkeypatch, casting_again):
    """Bytes alive at the peak, with one and with three blocks kept: the growth is their activations alone."""
    from gper_pack.nodes.differentiable import gradient_run

    from . import tiny_models

    if not casting_again:
        monkeypatch.setattr(gradient_run, "cast_again", lambda *models: nullcontext())
    peaks, sizes = [], []
    noise = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(5))
    for blocks in (1, 3):
        model = eight_bit(blocks)
        with LiveMemory() as memory:
            optimize(tiny_models.guider(model), noise, families["FLUX"].vae, Ramp(), "keep")
        peaks.append(memory.peak)
        sizes.append(4 * sum(p.numel() for p in model.model.diffusion_model.single_blocks.parameters()))
    growth, weights = peaks[1] - peaks[0], sizes[1] - sizes[0]
    if casting_again:
        assert growth < 0.5 * weights
    else:
        assert growth > 0.8 * weights  # modulation needs no gradient of its input, so it never was kept
