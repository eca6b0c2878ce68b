"""Euler's method over given sigmas, with gradients: what the stock `euler` sampler computes, on a CPU bit for bit."""

from functools import partial

import comfy.samplers
from torch import Tensor

from ...differentiation import with_scaled_gradient


class EulerRollout:
    """Noise -> denoised latent in the model's own space, both (B, C, ...) float32, through a prepared guider.

    Mask and start latent are treated as ComfyUI's samplers treat them.

    Args:
        model_wrap: the guider that `guider.sample` hands to a sampler.
        sigmas: (steps + 1,), falling.
        extra_args: as a sampler gets them.
        latent_image: start latent (B, C, ...) in the model's space, zero for text to image.
        denoise_mask: 1 where the picture may change, or None.
        max_denoise: whether the sampling starts from pure noise, as `Sampler.max_denoise` tells.
    """

    def __init__(
        self,
        model_wrap: comfy.samplers.CFGGuider,
        sigmas: Tensor,
        extra_args: dict,
        latent_image: Tensor,
        denoise_mask: Tensor | None,
        max_denoise: bool,
    ):
        self.model = comfy.samplers.KSamplerX0Inpaint(model_wrap, sigmas)
        self.model.latent_image = latent_image
        self.model_sampling = model_wrap.inner_model.model_sampling
        self.sigmas = sigmas
        self.extra_args = {**extra_args, "denoise_mask": denoise_mask}
        self.max_denoise = max_denoise

    def __call__(self, noise: Tensor) -> Tensor:
        x = self.model_sampling.noise_scaling(self.sigmas[0], noise, self.model.latent_image, self.max_denoise)
        ones = x.new_ones([x.shape[0]])
        for sigma, next_sigma in zip(self.sigmas[:-1], self.sigmas[1:], strict=True):
            denoised = with_scaled_gradient(partial(self._denoised, sigma * ones))(x, noise)
            x = x + (x - denoised) / sigma * (next_sigma - sigma)
        return self.model_sampling.inverse_noise_scaling(self.sigmas[-1], x)

    def _denoised(self, sigmas: Tensor, x: Tensor, noise: Tensor) -> Tensor:
        self.model.noise = noise  # shows through where the mask is 0, which gives it a gradient of its own
        return self.model(x, sigmas, **self.extra_args)
