"""Files of one model in the formats that users have, and the numbers in them at full precision.

Import this module inside tests only: it needs `host`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import comfy.ops
import comfy.quant_ops
import comfy.sd
import torch
from torch import Tensor

from . import ggml_layers

StateDict = dict[str, Tensor]


@dataclass
class WeightFile:
    """What is in the file, the same numbers as float32, and how it is loaded.

    held: the dtype of the memory that holds a block's weights once loaded.
    """

    stored: StateDict
    dequantized: StateDict
    held: torch.dtype
    options: dict = field(default_factory=dict)

    def load(self):
        with torch.inference_mode():  # as a loader node does
            return comfy.sd.load_diffusion_model_state_dict(dict(self.stored), model_options=dict(self.options))

    def load_dequantized(self):
        with torch.inference_mode():
            return comfy.sd.load_diffusion_model_state_dict(dict(self.dequantized))


def is_block_weight(key: str, tensor: Tensor) -> bool:
    return key.startswith(("double_blocks.", "single_blocks.")) and key.endswith(".weight") and tensor.ndim == 2


def in_dtype(dtype: torch.dtype) -> Callable[[StateDict], WeightFile]:
    """All weights in one dtype, and kept in it: without the option, ComfyUI makes them float32 on a CPU."""

    def write(weights: StateDict) -> WeightFile:
        stored = {key: value.to(dtype) for key, value in weights.items()}
        return WeightFile(stored, {key: value.float() for key, value in stored.items()}, dtype, {"dtype": dtype})

    return write


def scaled_fp8(weights: StateDict) -> WeightFile:
    """The older layout: a key `scaled_fp8`, and a scale beside each weight."""
    stored, dequantized = {"scaled_fp8": torch.empty(2, dtype=torch.float8_e4m3fn)}, dict(weights)
    for key, value in weights.items():
        if not is_block_weight(key, value):
            stored[key] = value
            continue
        scale = value.abs().max() / 448
        stored[key] = (value / scale).to(torch.float8_e4m3fn)
        stored[key.removesuffix("weight") + "scale_weight"] = scale
        dequantized[key] = stored[key].float() * scale
    return WeightFile(stored, dequantized, torch.float8_e4m3fn)


def comfy_quant(name: str) -> Callable[[StateDict], WeightFile]:
    """The present layout: a note `comfy_quant` beside each weight, quantized by the host's own code."""

    def write(weights: StateDict) -> WeightFile:
        algorithm = comfy.quant_ops.QUANT_ALGOS[name]
        note = torch.tensor(list(json.dumps({"format": name}).encode()), dtype=torch.uint8)
        stored, dequantized = {}, dict(weights)
        for key, value in weights.items():
            if not is_block_weight(key, value):
                stored[key] = value
                continue
            options = {"scale": "recalculate"} if "float8" in name else {}
            quantized = comfy.quant_ops.QuantizedTensor.from_float(value, algorithm["comfy_tensor_layout"], **options)
            stored.update({part: tensor.contiguous() for part, tensor in quantized.state_dict(key).items()})
            stored[key.removesuffix("weight") + "comfy_quant"] = note
            dequantized[key] = quantized.dequantize().float()
        return WeightFile(stored, dequantized, algorithm["storage_t"])

    return write


def ggml_q8_0(weights: StateDict) -> WeightFile:
    """GGUF's Q8_0 in the blocks, read by layers of another pack."""
    stored, dequantized = {}, dict(weights)
    for key, value in weights.items():
        if is_block_weight(key, value):
            stored[key] = ggml_layers.quantize_q8_0(value)
            dequantized[key] = ggml_layers.dequantize(stored[key], torch.float32)
        else:
            stored[key] = value
    return WeightFile(stored, dequantized, torch.uint8, {"custom_operations": ggml_layers.GGMLOps})


FORMATS = {
    "float32": (in_dtype(torch.float32), 1 - 1e-6),
    "bfloat16": (in_dtype(torch.bfloat16), 0.9999),
    "float16": (in_dtype(torch.float16), 0.9999),
    "fp8 e4m3": (in_dtype(torch.float8_e4m3fn), 0.99),
    "scaled fp8": (scaled_fp8, 0.99),
    "comfy_quant float8_e4m3fn": (comfy_quant("float8_e4m3fn"), 0.99),
    "comfy_quant mxfp8": (comfy_quant("mxfp8"), 0.99),
    "comfy_quant nvfp4": (comfy_quant("nvfp4"), 0.99),
    "comfy_quant int8_tensorwise": (comfy_quant("int8_tensorwise"), 0.99),
    "GGUF Q8_0": (ggml_q8_0, 0.99),
}


def held_dtype(model) -> torch.dtype:
    weight = model.model.diffusion_model.single_blocks[0].linear1.weight
    return weight._qdata.dtype if isinstance(weight, comfy.quant_ops.QuantizedTensor) else weight.dtype


def host_knows(name: str) -> bool:
    kind, _, algorithm = name.partition(" ")
    return kind != "comfy_quant" or algorithm in comfy.quant_ops.QUANT_ALGOS
