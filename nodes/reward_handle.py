"""What travels on a REWARD_MODEL wire."""

from dataclasses import dataclass, field

import comfy.model_management
import comfy.model_patcher
from torch import nn

from .score_history import WatchLimit


@dataclass(frozen=True)
class RewardHandle:
    """A reward and the patchers through which ComfyUI loads, offloads and counts its weights.

    model: ``reward(images (B, 3, H, W) in [0, 1], prompts) -> (B,)``. patchers: empty for rewards without weights.
    limits: what ends a run, by the position of a watched reward in a mix.
    """

    model: nn.Module
    patchers: list[comfy.model_patcher.ModelPatcher] = field(default_factory=list)
    limits: dict[int, WatchLimit] = field(default_factory=dict)

    @classmethod
    def managed(cls, model: nn.Module) -> "RewardHandle":
        """Hand a reward with weights to ComfyUI's model management."""
        # The classic patcher moves any module; the dynamic one expects layers made by comfy.ops.
        patcher = comfy.model_patcher.ModelPatcher(
            model,
            load_device=comfy.model_management.get_torch_device(),
            offload_device=comfy.model_management.unet_offload_device(),
        )
        return cls(model, [patcher])
