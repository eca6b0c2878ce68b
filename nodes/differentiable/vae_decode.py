"""Latent -> picture with gradients. `VAE.decode` itself writes into buffers and may fall back to tiles without."""

import comfy.sd
from torch import Tensor

from ...differentiation import with_scaled_gradient


def decode(vae: comfy.sd.VAE, latent: Tensor) -> Tensor:
    """Pictures (B, 3, H, W) float32 in [0, 1] of `latent` (B, C, h, w) as it leaves a sampler.

    Likewise of one frame (B, C, 1, h, w), for models that share their VAE with a video model.
    The VAE's weights must be on its device. Where a pixel is clipped to 0 or 1 its gradient is zero.
    """

    def first_stage(z: Tensor) -> Tensor:
        return vae.first_stage_model.decode(z.to(device=vae.device, dtype=vae.vae_dtype)).float()

    raw = with_scaled_gradient(first_stage)(latent)
    if raw.ndim == 5:
        raw = raw[:, :, 0]
    # process_output works in place from ComfyUI 0.16 on
    return vae.process_output(raw.clone())[:, :3]
