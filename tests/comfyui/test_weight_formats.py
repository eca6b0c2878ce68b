"""The gradient through weights in each format, against the same numbers in float32."""

import copy

import pytest
import torch

from .ascents import Ramp, optimize, relative, rounding

pytestmark = pytest.mark.numerical

FORMAT_NAMES = [
    "float32",
    "bfloat16",
    "float16",
    "fp8 e4m3",
    "scaled fp8",
    "comfy_quant float8_e4m3fn",
    "comfy_quant mxfp8",
    "comfy_quant nvfp4",
    "comfy_quant int8_tensorwise",
    "GGUF Q8_0",
]


@pytest.fixture(scope="module")
def formats(pack):
    from . import weight_formats

    return weight_formats


@pytest.fixture(scope="module")
def vae(tiny, tmp_path_factory):
    return tiny.taesd(tmp_path_factory.mktemp("vae"), smooth=True).stock


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
    model = file.load()
    found = gradient(tiny, model, noise, vae, memory)
    assert formats.held_dtype(model) == file.held
    assert cosine(found, expected) > closeness
    assert relative(found, expected) < 0.1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_computing_in_16_bit(tiny, formats, weights, noise, vae, dtype):
    """Activations are rounded too: in both formats the gradient is off by 1.7 times what rounding one number costs."""
    file = formats.in_dtype(dtype)(weights)
    model = file.load()
    model.set_model_compute_dtype(dtype)
    expected = gradient(tiny, file.load_dequantized(), noise, vae)
    assert relative(gradient(tiny, model, noise, vae), expected) < 4 * rounding(dtype)


def test_a_vae_that_computes_in_bfloat16(tiny, formats, weights, noise, tmp_path, monkeypatch):
    """As ComfyUI has it on recent cards. Some sixty roundings, forwards and backwards, come to 6 to 9 times one."""
    vae, model = tiny.kl(tmp_path).stock, formats.in_dtype(torch.float32)(weights).load()
    expected = gradient(tiny, model, noise, vae)
    rounded = copy.deepcopy(vae.first_stage_model).to(torch.bfloat16)
    monkeypatch.setattr(vae, "first_stage_model", rounded)
    monkeypatch.setattr(vae.patcher, "model", rounded)
    monkeypatch.setattr(vae, "vae_dtype", torch.bfloat16)
    assert 0 < relative(gradient(tiny, model, noise, vae), expected) < 16 * rounding(torch.bfloat16)


@pytest.mark.parametrize("name, closeness", [("float8_e4m3fn", 0.999), ("mxfp8", 0.999), ("nvfp4", 0.99)])
def test_quantized_activations(tiny, formats, weights, noise, vae, monkeypatch, name, closeness):
    """On cards that multiply 8 and 4 bit numbers ComfyUI rounds what goes into a layer as well."""
    import comfy.model_management

    if not formats.host_knows(f"comfy_quant {name}"):
        pytest.skip(f"this ComfyUI does not know {name}")
    for kind in ("fp8", "mxfp8", "nvfp4"):
        monkeypatch.setattr(comfy.model_management, f"supports_{kind}_compute", lambda *_: True, raising=False)
    file = formats.comfy_quant(name)(weights)
    expected = gradient(tiny, file.load_dequantized(), noise, vae)
    found = gradient(tiny, file.load(), noise, vae)
    assert closeness < cosine(found, expected) < 1 - 1e-6


class NunchakuTransformer(torch.nn.Module):
    pass


class Quantized(torch.nn.Module):
    quant_format = "convrot_w4a4"


class TrTUnet:
    """Of ComfyUI_TensorRT; no torch module."""


def compiled():
    return torch.compile(torch.nn.Identity())  # compiles nothing before it is called


@pytest.mark.parametrize(
    "diffusion_model, message",
    [
        (NunchakuTransformer, "Nunchaku.*load the same model in 16 bit"),
        (Quantized, "convrot_w4a4"),
        (TrTUnet, "TensorRT.*TrTUnet"),
        (compiled, "torch.compile"),
    ],
)
def test_formats_without_a_backward_pass_are_refused(pack, diffusion_model, message):
    import comfy.model_patcher
    from gper_pack.nodes.refusals.weight_formats import check_weight_format

    model = torch.nn.Module()
    model.diffusion_model = diffusion_model()
    patcher = comfy.model_patcher.ModelPatcher(model, torch.device("cpu"), torch.device("cpu"))
    with pytest.raises(ValueError, match=message):
        check_weight_format(patcher)


@pytest.mark.parametrize("quant_format", ["convrot_w4a4", "asym_w4a8_int8", "awq_w4a16", "w6a8", "of_next_year"])
def test_formats_of_newer_comfyuis_are_refused_by_name(formats, weights, quant_format):
    """Layers by ComfyUI, each with a note of its format; one of them is in a format without a backward pass."""
    from gper_pack.nodes.refusals.weight_formats import check_weight_format

    model = formats.comfy_quant("float8_e4m3fn")(weights).load()
    layers = [part for part in model.model.modules() if getattr(part, "quant_format", None)]
    assert layers and type(layers[-1]).__module__ == "comfy.ops"
    check_weight_format(model)
    layers[-1].quant_format = quant_format
    with pytest.raises(ValueError, match=rf"\({quant_format}\).*load the same model in 16 bit.*best of seeds"):
        check_weight_format(model)


def test_a_model_that_a_stock_node_compiles_is_refused(tiny, formats, weights):
    from comfy_api.torch_helpers import set_torch_compile_wrapper
    from gper_pack.nodes.refusals.weight_formats import check_weight_format

    model = formats.in_dtype(torch.float32)(weights).load()
    check_weight_format(model)
    set_torch_compile_wrapper(model, backend="inductor")
    with pytest.raises(ValueError, match="torch.compile"):
        check_weight_format(model)


@pytest.mark.parametrize("name", ["float32", "scaled fp8"])
@pytest.mark.parametrize("offloaded", [False, True])
def test_lora_added_between_runs(tiny, formats, weights, noise, vae, monkeypatch, name, offloaded):
    """Merged when the weights are loaded, or applied at each cast where they stay offloaded."""
    import comfy.sd

    from .streamed_weights import StreamedWeights

    generator = torch.Generator().manual_seed(7)
    lora, changes = {}, {}
    for key, value in weights.items():
        if formats.is_block_weight(key, value):
            up = 0.3 * torch.randn(value.shape[0], 4, generator=generator)
            down = torch.randn(4, value.shape[1], generator=generator) / value.shape[1] ** 0.5
            layer = "diffusion_model." + key.removesuffix(".weight")
            lora[layer + ".lora_up.weight"], lora[layer + ".lora_down.weight"] = up, down
            changes[key] = 0.8 * up @ down
    file = formats.FORMATS[name][0](weights)
    plain = file.load()
    without = gradient(tiny, plain, noise, vae)
    with torch.inference_mode():
        patched = comfy.sd.load_lora_for_models(plain, None, lora, 0.8, 0.0)[0]
    if offloaded:
        counts = StreamedWeights(monkeypatch).offload(patched, 0.0)
    found = gradient(tiny, patched, noise, vae, "recompute")
    if offloaded:
        assert counts[-1] > 0
    for key, change in changes.items():
        file.dequantized[key] = file.dequantized[key] + change
    expected = gradient(tiny, file.load_dequantized(), noise, vae)
    # merging rounds the sum to 8 bit once more
    assert cosine(found, expected) > (1 - 1e-6 if name == "float32" or offloaded else 0.99)
    assert cosine(without, expected) < 0.9


@pytest.mark.parametrize("name", ["fp8 e4m3", "scaled fp8", "comfy_quant nvfp4", "GGUF Q8_0"])
def test_quantized_weights_become_ordinary_without_a_copy(formats, weights, name):
    """The numbers stay where they are; their scales, which are few, may move."""
    from comfy.quant_ops import QuantizedTensor
    from gper_pack.nodes.differentiable.ordinary_tensors import freeze_as_ordinary

    def pieces(tensor):
        if not isinstance(tensor, QuantizedTensor):
            return [tensor]
        return [getattr(tensor, part) for part in tensor.__tensor_flatten__()[0]]

    layer = formats.FORMATS[name][0](weights).load().model.diffusion_model.single_blocks[0].linear1
    kind, shape = type(layer.weight), layer.weight.shape
    address = pieces(layer.weight)[0].data_ptr()
    freeze_as_ordinary(layer)
    assert type(layer.weight) is kind and layer.weight.shape == shape
    assert not any(piece.is_inference() for piece in [layer.weight, *pieces(layer.weight)])
    assert pieces(layer.weight)[0].data_ptr() == address


def test_where_a_weight_lies_in_its_file_is_still_known(pack):
    """Dynamic VRAM reads weights from the file again; it notes the place on the memory of the tensor."""
    from gper_pack.nodes.differentiable.ordinary_tensors import freeze_as_ordinary

    with torch.inference_mode():
        layer = torch.nn.Linear(2, 2)
    layer.weight.untyped_storage()._comfy_tensor_file_slice = "the place"
    freeze_as_ordinary(layer)
    assert layer.weight.untyped_storage()._comfy_tensor_file_slice == "the place"


@pytest.mark.parametrize("of_a_lora", [False, True])
def test_pinned_buffers_may_be_written_again(pack, of_a_lora):
    """Dynamic VRAM gives one layer's buffer to another when main memory runs short, and keeps its own note on it."""
    from gper_pack.nodes.differentiable.ordinary_tensors import freeze_as_ordinary

    layer = torch.nn.Linear(2, 2)
    holder = layer
    if of_a_lora:
        holder = layer.weight_lowvram_function = type("Patch", (), {})()
    with torch.inference_mode():
        pin = torch.zeros(8, dtype=torch.uint8)
    pin.untyped_storage()._comfy_hostbuf = "the buffer"
    holder._pins = {"weights": {"pin": pin, "registered": True}, "weights-loaded": {}}
    with pytest.raises(RuntimeError, match="inference tensor"):
        pin.copy_(torch.ones(8))
    freeze_as_ordinary(layer)
    usable = holder._pins["weights"]["pin"]
    usable.copy_(torch.ones(8))
    assert usable.data_ptr() == pin.data_ptr() and pin.sum() == 8
    assert usable.untyped_storage()._comfy_hostbuf == "the buffer"
