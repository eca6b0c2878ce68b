"""Node: load a reward model from its published file."""

import torch
from comfy_api.latest import io

from ..reward_models import KINDS, load_reward
from .inputs.sockets import CATEGORY, RewardModel
from .refusals.node_names import check_node
from .rewards.reward_files import (
    DEMO_ENCODER,
    NO_BACKBONE,
    backbone_names,
    backbone_path,
    modification_times,
    reward_file_names,
    reward_path,
)
from .rewards.reward_handle import RewardHandle

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class RewardModelLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_RewardModelLoader",
            display_name="Reward Model Loader",
            category=CATEGORY,
            description="Loads a model that scores pictures, from its published file in models/reward_models.",
            search_aliases=[
                "reward",
                "aesthetic score",
                "ImageReward",
                "PickScore",
                "HPSv2",
                "CLIPScore",
                "CycleReward",
                "ICT",
                "HP",
                "preference model",
            ],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=reward_file_names(),
                    tooltip="A file in models/reward_models, as published (.safetensors, .pt, .pth, .bin). The help of "
                    "this node lists which, and where to get them.",
                ),
                io.Combo.Input(
                    "dtype",
                    options=["auto", *DTYPES],
                    default="auto",
                    tooltip="auto: bfloat16 where the graphics card is made for it, else float32. bfloat16 halves the "
                    "memory; scores move by less than 1% of their usual range.",
                ),
                io.Combo.Input(
                    "backbone",
                    options=[*backbone_names(), DEMO_ENCODER],
                    default=NO_BACKBONE,
                    tooltip="For files that are only a head (aesthetic predictors, HP, a taste): the CLIP or SigLIP "
                    "model below it, from models/reward_models or models/clip_vision. Others need none.",
                ),
                io.Combo.Input(
                    "kind",
                    options=["auto", *KINDS],
                    default="auto",
                    tooltip="auto reads it from the file, and from its name where the content cannot tell "
                    "(PickScore, ICT and CLIP H/14; HPS v2 and v2.1); the log says what it took.",
                    advanced=True,
                ),
                io.Boolean.Input(
                    "recompute",
                    default=False,
                    tooltip="On: the reward's layers are computed again in the backward pass instead of being kept. "
                    "Less memory, more time in the reward; the result is the same.",
                    advanced=True,
                ),
            ],
            outputs=[
                RewardModel.Output(
                    "reward", display_name="reward", tooltip="Goes into the Noise Optimizer: one score per picture."
                )
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, file, dtype, backbone, kind, recompute=False):
        return [*modification_times(reward_path(file), backbone_path(backbone)), dtype, kind, recompute]

    @classmethod
    def execute(cls, file, dtype="auto", backbone=NO_BACKBONE, kind="auto", recompute=False) -> io.NodeOutput:
        check_node("Reward Model Loader")
        path, backbone_file = reward_path(file), backbone_path(backbone)
        # Outside inference mode, so that the weights can take part in a backward pass.
        with torch.inference_mode(False):
            model = load_reward(path, kind=kind, backbone=backbone_file, dtype=_dtype(dtype), recompute=recompute)
        return io.NodeOutput(RewardHandle.managed(model))


def _dtype(name: str) -> torch.dtype:
    if name != "auto":
        return DTYPES[name]
    import comfy.model_management

    device = comfy.model_management.get_torch_device()
    return torch.bfloat16 if comfy.model_management.should_use_bf16(device) else torch.float32
