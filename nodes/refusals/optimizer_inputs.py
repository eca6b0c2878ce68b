"""The inputs of the Noise Optimizer, checked one by one."""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..differentiable.memory_modes import MODES

if TYPE_CHECKING:
    import comfy.model_patcher
    import comfy.sd

MAX_SAMPLING_STEPS = 8


def check_settings(learning_rate: float, memory: str) -> None:
    """Raise ValueError for a value that no widget gives, as the API can."""
    if not (math.isfinite(learning_rate) and learning_rate >= 0):
        raise ValueError(f"learning_rate is {learning_rate}: set it above 0, or to 0 for what suits the model.")
    if memory not in MODES:
        raise ValueError(f"memory is {memory!r}: choose one of {', '.join(MODES)}.")


def check_sigmas(sigmas: Tensor, needs_gradient: bool = True) -> None:
    """Raise ValueError unless sigmas (steps + 1,) fall to 0, in few enough steps for a gradient where one is needed."""
    steps = sigmas.shape[-1] - 1
    if steps < 1:
        raise ValueError(
            f"sigmas holds {sigmas.shape[-1]} value(s), so there is no step to optimize through: set the scheduler to "
            "1 step or more (and its denoise above 0)."
        )
    if not (torch.isfinite(sigmas).all() and (sigmas[1:] < sigmas[:-1]).all() and sigmas[-1] == 0):
        raise ValueError(
            f"sigmas must fall to 0, so that a finished picture can be scored, but they are {_listed(sigmas)}: use a "
            "scheduler's whole output, not a part of it (Split Sigmas)."
        )
    if needs_gradient and steps > MAX_SAMPLING_STEPS:
        raise ValueError(
            f"sigmas has {steps} steps: the gradient goes through every one, which is practical up to "
            f"{MAX_SAMPLING_STEPS}. Use a few-step model and set the scheduler to {MAX_SAMPLING_STEPS} steps or fewer."
        )


def check_prompt(prompt: str, reward: nn.Module, field: str = "the Noise Optimizer's prompt") -> str | None:
    """The prompt for the reward, one text whatever its line breaks; None for a reward that reads no text.

    Args:
        prompt: what was typed.
        reward: a reward model.
        field: where it was typed, for the message.

    Raises:
        ValueError: the reward reads text, and there is none.
    """
    if not reward.needs_prompt:
        return None
    if not prompt.strip():
        raise ValueError(f"{reward.name} scores a picture against a text: fill in {field}.")
    return prompt


def fitted_to_model(latent: dict, patcher: comfy.model_patcher.ModelPatcher) -> Tensor:
    """The samples of a LATENT, an empty one with the channels and the size that the model has for the same picture.

    As ComfyUI's sampler nodes do it: every ratio that the empty latent tells, as far as this ComfyUI knows it.
    """
    import comfy.sample

    known = inspect.signature(comfy.sample.fix_empty_latent_channels).parameters
    told = {"downscale_ratio_spacial", "downscale_ratio_temporal"} & known.keys() & latent.keys()
    ratios = {name: latent[name] for name in told}
    return comfy.sample.fix_empty_latent_channels(patcher, latent["samples"], **ratios)


def check_latent(samples: Tensor, patcher: comfy.model_patcher.ModelPatcher) -> Tensor:
    """The samples of a LATENT, or ValueError unless they are pictures that the model can paint."""
    if samples.is_nested:
        raise ValueError(
            "latent_image holds several latents of different shape (video with sound): use a picture latent."
        )
    latent_format = patcher.get_model_object("latent_format")
    if latent_format.latent_dimensions == 1:
        raise ValueError("The model makes sound, but rewards judge pictures: connect a picture model, such as FLUX.")
    if samples.ndim < 4:
        raise ValueError(
            f"latent_image has the shape {tuple(samples.shape)}, but a batch of pictures has batch, channels, height "
            "and width: use an empty latent made for the model, or VAE Encode."
        )
    if samples.shape[1] != latent_format.latent_channels:
        raise ValueError(
            f"latent_image has {samples.shape[1]} channels, but the model works with {latent_format.latent_channels}: "
            "encode the picture with the model's own VAE, or use an empty latent made for it."
        )
    if samples.ndim != 2 + latent_format.latent_dimensions:
        raise ValueError(
            f"latent_image has the shape {tuple(samples.shape)}, which is that of a video, but the model makes "
            "pictures: use an empty latent made for the model."
        )
    if samples.ndim == 5 and samples.shape[2] != 1:
        raise ValueError(
            f"latent_image holds {samples.shape[2]} latent frames, but rewards judge a single picture: set the length "
            "of the empty latent to 1."
        )
    return samples


def check_noise_mask(latent: dict) -> None:
    """Raise ValueError if the noise mask of a LATENT leaves nothing that may change."""
    import comfy.utils

    mask, samples = latent.get("noise_mask"), latent["samples"]
    if mask is not None and not (comfy.utils.reshape_mask(mask, samples.shape) > 0).any():
        raise ValueError(
            "The noise mask of latent_image is empty, so nothing of the picture may change: paint the part to repaint "
            "white in Set Latent Noise Mask, large enough for the latent."
        )


def check_vae(vae: comfy.sd.VAE, patcher: comfy.model_patcher.ModelPatcher) -> None:
    """Raise ValueError for a VAE that does not decode the model's latents."""
    vae.throw_exception_if_invalid()
    latent_format = patcher.get_model_object("latent_format")
    if vae.latent_dim != latent_format.latent_dimensions:
        raise ValueError(
            f"The VAE decodes {'pictures' if vae.latent_dim == 2 else 'videos'}, the model makes the other kind: "
            "load the VAE that belongs to the model."
        )
    if vae.latent_channels != latent_format.latent_channels:
        raise ValueError(
            f"The VAE decodes {vae.latent_channels} latent channels, but the model makes "
            f"{latent_format.latent_channels}: load the VAE that belongs to the model."
        )


def _listed(sigmas: Tensor) -> str:
    return ", ".join(f"{sigma:.4g}" for sigma in sigmas.tolist()[:10])
