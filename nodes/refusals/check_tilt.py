"""What the NoiseTilt Sampler refuses: of its inputs when the node runs, of the sampling when that begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from ...optimization import NoiseTilt
from ...reward_models import check_pictures
from ..differentiable.host_contract import check_host_for_tilt
from ..differentiable.memory_modes import MODES
from .optimizer_inputs import check_latent, check_prompt, check_vae

if TYPE_CHECKING:
    import comfy.samplers
    import comfy.sd

NODE = "the NoiseTilt Sampler"


def check_tilt_inputs(vae: comfy.sd.VAE, reward: nn.Module, prompt: str, memory: str) -> str | None:
    """The prompt for the reward, None if it reads none; ValueError for what cannot go well in any sampling."""
    if memory not in MODES:
        raise ValueError(f"memory is {memory!r}: choose one of {', '.join(MODES)}.")
    check_host_for_tilt()
    vae.throw_exception_if_invalid()
    return check_prompt(prompt, reward, f"{NODE}'s prompt")


def check_sampled_model(model: object) -> None:
    """Raise ValueError unless the model that a sampler function is called with is ComfyUI's own."""
    import comfy.samplers

    stock = comfy.samplers.KSamplerX0Inpaint
    if not isinstance(model, stock) or type(model).__call__ is not stock.__call__:
        name = getattr(model, "__qualname__", type(model).__qualname__)
        raise ValueError(
            f"A node after the NoiseTilt Sampler wraps the sampler, with a model of its own ({name}) that the tilt "
            "would go past: connect the NoiseTilt Sampler to SamplerCustomAdvanced directly."
        )


def check_tilted_sampling(
    guider: comfy.samplers.CFGGuider,
    x: Tensor,
    sigmas: Tensor,
    tilt: NoiseTilt,
    eta: float,
    vae: comfy.sd.VAE,
    reward: nn.Module,
    through_model: bool,
) -> None:
    """Look at a sampling that begins; nothing is changed.

    Args:
        guider: while it samples.
        x: the state (B, C, ...).
        sigmas: (steps + 1,).
        tilt, eta: of the node.
        vae, reward: what the gradient goes through.
        through_model: whether it also goes through the model.

    Raises:
        ValueError: it cannot go well. It says what is wrong, which input, and what to do.
    """
    check_noises(sigmas, tilt, eta)
    model = guider.model_patcher
    check_latent(x, model)
    check_vae(vae, model)
    scale = vae.spacial_compression_decode()
    check_pictures(reward, x.shape[0], scale * x.shape[-2], scale * x.shape[-1])
    # Not at the top: ComfyUIs that lack what these import still have the node in their menu.
    from .model_path import check_model_path

    check_model_path(guider, through_model)
    from .weight_formats import check_weight_format

    check_weight_format(*([model] if through_model else []), vae.patcher)
    if through_model:
        from .weight_hooks import check_weight_hooks

        check_weight_hooks(guider, steps=1)


def check_noises(sigmas: Tensor, tilt: NoiseTilt, eta: float) -> None:
    """Raise ValueError unless sigmas (steps + 1,) fall, and noise is injected where the tilt is on."""
    if not (sigmas.isfinite().all() and (sigmas[1:] < sigmas[:-1]).all() and sigmas[-1] >= 0):
        raise ValueError("sigmas must fall, to 0 or above: connect a scheduler's output.")
    noises = int((sigmas[1:] > 0).sum())
    if not noises:
        raise ValueError(
            "sigmas has a single step, after which no noise is injected, so there is nothing to tilt: set the "
            "scheduler to more steps (8 to 50), or use the Noise Optimizer, which is for models of few steps."
        )
    if not eta:
        raise ValueError(
            "eta is 0, so no noise is injected that could be tilted: set eta above 0 (1 is the stock sampler's), or "
            "strength to 0 for plain sampling."
        )
    if not tilt.steps(noises):
        raise ValueError(
            f"None of the {noises} noises of this sampling lies between start_percent {tilt.start:g} and end_percent "
            f"{tilt.end:g}: set them farther apart, or the scheduler to more steps."
        )
