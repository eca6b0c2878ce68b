"""The pack's gradient at a random noise, in the server that loaded the models."""

import json
from importlib import import_module
from pathlib import Path
from types import ModuleType

import comfy.model_management
import comfy.samplers
import comfy.supported_models
import folder_paths
import torch
from comfy_api.latest import ComfyExtension, io
from safetensors.torch import save_file

import nodes

from .ramp import Ramp, Still
from .repeatable import repeatably
from .small_sdxl import SmallSDXL


class GradientExtension(ComfyExtension):
    async def on_load(self):
        comfy.supported_models.models.insert(0, SmallSDXL)

    async def get_node_list(self):
        return [Gradient]


def pack_module(name: str) -> ModuleType:
    """A module of the pack. Its package is called as this server has called it, after its folder."""
    node = nodes.NODE_CLASS_MAPPINGS["GPER_NoiseOptimizer"]
    return import_module(node.__module__.removesuffix("nodes.noise_optimizer") + name)


class Gradient(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="Benchmark_Gradient", is_output_node=True, outputs=[], inputs=[
            io.Model.Input("model"),
            io.Vae.Input("vae"),
            io.String.Input("name", tooltip="Of the file in the output folder."),
            io.Combo.Input("memory", options=["keep", "recompute"]),
            io.Int.Input("side", tooltip="Pixels."),
            io.Int.Input("steps", tooltip="Timed, after a first one."),
            *(io.Int.Input(size) for size in ("text_tokens", "text_width", "pooled_width")),
        ])

    @classmethod
    def execute(cls, model, vae, name, memory, side, text_tokens, text_width, pooled_width, steps):
        random = torch.Generator().manual_seed(0)
        channels = model.get_model_object("latent_format").latent_channels
        noise = torch.randn(1, channels, side // 8, side // 8, generator=random)
        text = torch.randn(1, text_tokens, text_width, generator=random)
        pooled = torch.randn(1, pooled_width, generator=random)
        guider = comfy.samplers.CFGGuider(model)
        condition = [[text, {"pooled_output": pooled}]]
        guider.set_conds(condition, condition)
        guider.set_cfg(1.0)

        device = model.load_device
        (gradients, _, _), deterministic = repeatably(lambda: ascend(guider, noise, vae, memory, steps=1))
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        as_run, record, plan = ascend(guider, noise, vae, memory, steps + 1)
        loaded = model.loaded_size() + vae.patcher.loaded_size()
        facts = {
            "deterministic": deterministic,
            "seconds": record.seconds[1 : steps + 1],
            "peak_bytes": torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None,
            "required_bytes": plan.memory_required,
            "free_bytes": comfy.model_management.get_free_memory(device) + loaded,
            "model_bytes": model.model_size(),
            "loaded_bytes": model.loaded_size(),
            "vae_bytes": vae.patcher.model_size(),
            "streamed": any(hasattr(part, "_v") for part in model.model.modules()),
            "compute_dtype": _name(model.model.manual_cast_dtype or model.model.get_dtype()),
            "vae_dtype": _name(vae.vae_dtype),
            "torch": torch.__version__,
            "machine": torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU",
        }
        path = Path(folder_paths.get_output_directory(), f"{name}.safetensors")
        save_file({"gradient": gradients[0], "as_run": as_run[0]}, path, {"facts": json.dumps(facts)})
        return io.NodeOutput()


def ascend(guider, noise, vae, memory, steps):
    """Take so many steps that go nowhere, as the Noise Optimizer would; gradients, record and plan."""
    optimization = pack_module("optimization")
    still, plans = Still(), []

    def ascent(noise, generate, reward, graph_context, retry):
        plans.append(graph_context.__self__)
        return optimization.ascend(noise, generate, reward, still, stopping=optimization.Stopping(steps=steps),
                                   graph_context=graph_context, retry=retry)

    sigmas = torch.tensor([float(guider.model_patcher.get_model_object("model_sampling").sigma_max), 0.0])
    sampling = pack_module("nodes.differentiable.guided_sampling").GuidedSampling(
        guider, noise, torch.zeros_like(noise), sigmas, vae, Ramp()
    )
    record, _ = pack_module("nodes.differentiable.gradient_run").optimize_noise(sampling, memory, ascent)
    if not still.gradients:
        raise ValueError(f"No gradient: {record.stop_reason}. {' '.join(map(str, record.incidents))}")
    return still.gradients, record, plans[0]


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
