"""Node: the demo world, a small FLUX with decoder, prompts and rewards that needs no download."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from comfy_api.latest import io

from ..demo_world import asset_path, conditions, load_held_out_reward, load_reward
from ..demo_world.scene import PROMPTS
from .inputs.sockets import CATEGORY, RewardModel
from .refusals.node_names import check_node
from .rewards.reward_handle import RewardHandle

if TYPE_CHECKING:
    import comfy.sd

# Which asset samples how, and the sides of the pictures that it knows, in pixels.
MODELS = {"one step": "generator", "many steps": "flow"}
SIDES = {"one step": (64, 128, 256), "many steps": (64,)}


class DemoWorldNode(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_DemoWorld",
            display_name="Demo World",
            category=CATEGORY,
            description="A tiny FLUX that paints landscapes of 64, 128 or 256 pixels, with decoder, prompts and two "
            "rewards. It comes with the pack and runs on any computer: use it to try the Noise Optimizer.",
            search_aliases=["demo", "tiny flux", "example model"],
            inputs=[
                io.Combo.Input(
                    "scene",
                    options=list(PROMPTS),
                    tooltip="What the landscape shows. Connect an empty latent of 64x64, 128x128 or 256x256.",
                ),
                # Optional: API files from before this input have no value for it.
                io.Combo.Input(
                    "sampling",
                    options=list(MODELS),
                    default="one step",
                    optional=True,
                    tooltip="one step: for the Noise Optimizer; give the scheduler 1 step. many steps: another model "
                    "of the same scenes, 64x64 alone, for the NoiseTilt Sampler; give the scheduler 8 to 25.",
                ),
            ],
            outputs=[
                io.Model.Output("model", display_name="model", tooltip="A FLUX with 16 latent channels."),
                io.Vae.Output("vae", display_name="vae", tooltip="Its decoder, in the layout of TAESD."),
                io.Conditioning.Output(
                    "conditioning", display_name="conditioning", tooltip="The scene, for a BasicGuider."
                ),
                RewardModel.Output(
                    "reward", display_name="reward", tooltip="A learned taste. It can be fooled, as real ones can."
                ),
                RewardModel.Output(
                    "held_out_reward",
                    display_name="held-out reward",
                    tooltip="The same taste learned by another network: a second opinion that was not optimized.",
                ),
            ],
        )

    @classmethod
    def execute(cls, scene, sampling="one step") -> io.NodeOutput:
        check_node("Demo World")
        import comfy.sd

        model = comfy.sd.load_diffusion_model(str(asset_path(MODELS[sampling])))
        vae = _vae(SIDES[sampling])
        context, pooled = conditions(MODELS[sampling])[scene]
        with torch.inference_mode(False):
            rewards = [RewardHandle.managed(load()) for load in (load_reward, load_held_out_reward)]
        return io.NodeOutput(model, vae, [[context, {"pooled_output": pooled}]], *rewards)


def _vae(sides: tuple[int, ...]) -> comfy.sd.VAE:
    """The decoder as a TAESD, for pictures with these sides; its encoder is blank and refuses to work."""
    import comfy.sd
    import comfy.utils
    from comfy.taesd.taesd import Encoder

    weights = comfy.utils.load_torch_file(str(asset_path("decoder")))
    # ComfyUI would list each absent weight in the log, and leave it as the memory happens to be.
    for name, tensor in Encoder(latent_channels=16).state_dict().items():
        weights[f"taesd_encoder.{name}"] = torch.zeros_like(tensor, dtype=torch.float16)
    vae = comfy.sd.VAE(sd=weights)
    vae.first_stage_model.taesd_encoder = _NoEncoder()
    # The model would paint something at any size, and nobody be told why it is broken.
    vae.first_stage_model.taesd_decoder.register_forward_pre_hook(partial(_check_size, sides))
    return vae


def _check_size(sides: tuple[int, ...], decoder: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    height, width = (8 * side for side in inputs[0].shape[-2:])
    if height != width or height not in sides:
        known = " or ".join(f"{side} x {side}" for side in sides)
        raise ValueError(
            f"The Demo World paints {known} pixels with this sampling, and this latent is for {width} x {height}: set "
            "width and height of the empty latent."
        )


class _NoEncoder(torch.nn.Module):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        raise ValueError("The VAE of the Demo World decodes only: start from an empty latent, not from VAE Encode.")
