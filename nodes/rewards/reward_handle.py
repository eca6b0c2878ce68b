"""What travels on a REWARD_MODEL wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from torch import nn

from ...runs.watched_reward import WatchLimit

if TYPE_CHECKING:
    import comfy.model_patcher


@cache
def _whole_model_patcher() -> type[comfy.model_patcher.ModelPatcher]:
    """A class made on demand: the nodes are registered by any ComfyUI, also by one that has no such patcher."""
    import comfy.model_patcher

    class WholeModelPatcher(comfy.model_patcher.ModelPatcher):
        """Loads and unloads a model as a whole.

        Where memory is short, ComfyUI loads a part of a model and casts what its own layers lack when they run. Layers
        of other libraries cannot, so such a model would be left on two devices.
        """

        def partially_load(self, device_to, extra_memory=0, force_patch_weights=False):
            return super().partially_load(device_to, self.model_size() + 1, force_patch_weights)

        def partially_unload(self, device_to, memory_to_free=0, force_patch_weights=False):
            return 0  # too little for ComfyUI, which then unloads all of it

    return WholeModelPatcher


@dataclass(frozen=True)
class RewardHandle:
    """A reward and the patchers through which ComfyUI loads, offloads and counts its weights.

    Attributes:
        model: `reward(images (B, 3, H, W) in [0, 1], prompts) -> (B,)`.
        patchers: empty for rewards without weights.
        limits: what ends a run, by the position of a watched reward in a mix.
    """

    model: nn.Module
    patchers: list[comfy.model_patcher.ModelPatcher] = field(default_factory=list)
    limits: dict[int, WatchLimit] = field(default_factory=dict)

    @classmethod
    def managed(cls, model: nn.Module) -> RewardHandle:
        """Hand a reward with weights to ComfyUI's model management."""
        import comfy.model_management

        # The classic patcher moves any module; the dynamic one expects layers made by comfy.ops.
        patcher = _whole_model_patcher()(
            model,
            load_device=comfy.model_management.get_torch_device(),
            offload_device=comfy.model_management.unet_offload_device(),
        )
        return cls(model, [patcher])
