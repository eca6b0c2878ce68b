"""Noise -> images: what every search in ComfyUI evaluates, with gradients where they are on."""

from collections.abc import Callable

import comfy.model_management
import comfy.samplers
import comfy.sd
from torch import Tensor

from .vae_decode import decode


def images_of(
    rollout: Callable[[Tensor], Tensor], model_wrap: comfy.samplers.CFGGuider, vae: comfy.sd.VAE
) -> Callable[[Tensor], Tensor]:
    """A map from noise (B, C, ...) to images (B, 3, H, W) in [0, 1]; it raises when the user cancels.

    Args:
        rollout: noise -> latent in the model's own space, (B, C, ...) both.
        model_wrap: the guider while it samples.
        vae: decodes the latent.
    """

    def generate(noise: Tensor) -> Tensor:
        comfy.model_management.throw_exception_if_processing_interrupted()
        latent = model_wrap.inner_model.process_latent_out(rollout(noise))
        comfy.model_management.throw_exception_if_processing_interrupted()
        return decode(vae, latent)

    return generate
