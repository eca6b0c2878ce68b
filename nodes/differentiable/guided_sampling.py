"""What a run needs of a workflow: a sampling as SamplerCustomAdvanced would do it, and how its images are scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    import comfy.model_patcher
    import comfy.samplers
    import comfy.sd


@dataclass(frozen=True)
class GuidedSampling:
    """A guided sampling whose decoded images are scored. Nothing in it is changed by a run.

    Args:
        guider, noise, latent_image, sigmas, denoise_mask, seed: as `guider.sample` takes them; noise and latent_image
            (B, C, ...), sigmas (steps + 1,).
        vae: decodes the denoised latent.
        score: images (B, 3, H, W) in [0, 1] -> (B,), larger is better.
        reward_patchers: hold the weights of `score`.
    """

    guider: comfy.samplers.CFGGuider
    noise: Tensor
    latent_image: Tensor
    sigmas: Tensor
    vae: comfy.sd.VAE
    score: Callable[[Tensor], Tensor]
    reward_patchers: Sequence[comfy.model_patcher.ModelPatcher] = ()
    denoise_mask: Tensor | None = None
    seed: int = 0

    def companions(self, model_wrap: comfy.samplers.CFGGuider) -> list[comfy.model_patcher.ModelPatcher]:
        """What must be on its device beside the diffusion model: ControlNets and the like, VAE and reward."""
        return [*model_wrap.loaded_models, self.vae.patcher, *self.reward_patchers]
