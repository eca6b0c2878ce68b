"""All that is refused before a run, in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from ...reward_models import check_pictures
from ..differentiable.host_contract import check_host
from .optimizer_inputs import (
    check_latent,
    check_noise_mask,
    check_prompt,
    check_settings,
    check_sigmas,
    check_vae,
    fitted_to_model,
)

if TYPE_CHECKING:
    import comfy.samplers
    import comfy.sd


def check_run(
    guider: comfy.samplers.CFGGuider,
    sigmas: Tensor,
    latent_image: dict,
    vae: comfy.sd.VAE,
    reward: nn.Module,
    prompt: str,
    learning_rate: float,
    memory: str,
    needs_gradient: bool,
) -> tuple[dict, str | None]:
    """Look at what the Noise Optimizer was given; nothing is loaded or changed.

    Args:
        guider, sigmas, latent_image, vae, prompt, learning_rate, memory: the node's inputs.
        reward: the model of its reward.
        needs_gradient: whether the run goes backward through model, VAE and reward.

    Returns:
        A copy of the LATENT, an empty one in the model's shape, and the prompt for the reward, None if it reads none.

    Raises:
        ValueError: the run cannot go well. It says what is wrong, which input, and what to do.
    """
    check_settings(learning_rate, memory)
    check_host(needs_gradient)
    check_sigmas(sigmas, needs_gradient)
    text = check_prompt(prompt, reward)
    model = guider.model_patcher
    latent = {**latent_image, "samples": check_latent(fitted_to_model(latent_image, model), model)}
    check_noise_mask(latent)
    check_vae(vae, model)
    batch, height, width = (latent["samples"].shape[axis] for axis in (0, -2, -1))
    scale = vae.spacial_compression_decode()
    check_pictures(reward, batch, scale * height, scale * width)
    _check_model(guider, vae, needs_gradient, sigmas.shape[-1] - 1)
    return latent, text


def _check_model(guider: comfy.samplers.CFGGuider, vae: comfy.sd.VAE, needs_gradient: bool, steps: int) -> None:
    # Not at the top: ComfyUIs that lack what these import still have the node in their menu.
    from .model_path import check_model_path

    check_model_path(guider, needs_gradient)
    if needs_gradient:
        from .weight_formats import check_weight_format
        from .weight_hooks import check_weight_hooks

        check_weight_format(guider.model_patcher, vae.patcher)
        check_weight_hooks(guider, steps)
