"""What a run may leave behind in the server: tensors, switches, methods of a model that are not its own."""

import gc
import json

import comfy.model_management
import comfy.ops
import torch
from comfy_api.latest import io


class LiveTensors(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="Test_LiveTensors",
            inputs=[io.Int.Input("run", tooltip="Another number, counted again.")],
            outputs=[io.String.Output()],
        )

    @classmethod
    def execute(cls, run):
        gc.collect()
        storages = {
            tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes()
            for tensor in gc.get_objects()
            if isinstance(tensor, torch.Tensor) and tensor.device.type != "meta"
        }
        return io.NodeOutput(str(sum(storages.values())))


class HostState(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="Test_HostState",
            inputs=[
                io.Model.Input("model"),
                io.Vae.Input("vae"),
                io.Image.Input("after", tooltip="Looked at when this is there."),
                io.Int.Input("run", tooltip="Another number, looked at again."),
            ],
            outputs=[io.String.Output()],
        )

    @classmethod
    def execute(cls, model, vae, after, run):
        modules = [*model.model.named_modules(), *vae.first_stage_model.named_modules()]
        state = {
            "in_training": comfy.model_management.in_training,
            "inference_mode": torch.is_inference_mode_enabled(),
            "gradients": torch.is_grad_enabled(),
            "dispatch_modes": torch._C._len_torch_dispatch_stack(),
            "cast": comfy.ops.cast_bias_weight.__module__,
            "replaced_methods": [
                f"{name}.{method}"
                for name, module in modules
                for method, value in vars(module).items()
                if callable(value) and hasattr(type(module), method)
            ],
            "patches": len(model.patches),
            "options": sorted(model.model_options),
        }
        return io.NodeOutput(json.dumps(state))
