"""ComfyUI's ancestral Euler sampler with tilted noise: the stock steps, and a look at the states between them."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import comfy.k_diffusion.sampling
import comfy.model_management
import comfy.samplers
import torch
from torch import Tensor

from ...differentiation import replaced, with_scaled_gradient
from ...optimization import NoiseTilt, Step, TiltedNoise
from ...optimization.tilted_noise import ALL_DONE
from .backward_plan import out_of_memory
from .conditionings import ordinary_conditionings
from .gradient_run import prepared
from .guided_sampling import GuidedSampling
from .host_state import gradients_enabled
from .noise_to_images import images_of
from .run_sampler import Prepared

log = logging.getLogger(__name__)

OUT_OF_MEMORY = "there was not enough memory for the gradient, so the remaining steps took plain noise"
NOT_SCORED = "there was not enough memory to score the finished picture"


@dataclass(frozen=True)
class TiltSettings:
    """How a sampling is tilted.

    Attributes:
        tilt: how much of which step's noise is the reward's.
        eta: of the stock sampler, how much noise the steps inject; 1 for as much as its model was trained for.
        memory: one of `memory_modes.MODES`.
        through_model: whether the gradient goes through the diffusion model. Without, the model's output is held
            constant, so that the estimate of the picture moves as the state does: ours, not the paper's.
        plain_where_unusable: go on with plain noise where a gradient cannot be had, rather than raise.
    """

    tilt: NoiseTilt
    eta: float = 1.0
    memory: str = "auto"
    through_model: bool = True
    plain_where_unusable: bool = False


def sample_plain(model, x: Tensor, sigmas: Tensor, extra_args: dict, callback, disable, eta: float) -> Tensor:
    """The stock `euler_ancestral`."""
    return comfy.k_diffusion.sampling.sample_euler_ancestral(model, x, sigmas, extra_args, callback, disable, eta=eta)


@torch.inference_mode(False)
@torch.no_grad()
def sample_tilted(
    model: comfy.samplers.KSamplerX0Inpaint,
    x: Tensor,
    sigmas: Tensor,
    extra_args: dict,
    callback: Callable[[dict], None] | None,
    disable: bool | None,
    settings: TiltSettings,
    given: GuidedSampling,
    note: Callable[[Step], str | None],
    measure: Callable[..., None] | None = None,
) -> tuple[Tensor, TiltedNoise]:
    """A sampling by the stock `euler_ancestral`, step by step, with tilted noise.

    The graph of one step is alive at a time. Steps that are not tilted run as ComfyUI runs them, but outside inference
    mode, since what a model keeps for later steps has to be usable by autograd.

    Args:
        model, x, sigmas, extra_args, callback, disable: as a sampler function of `comfy.samplers.KSAMPLER` gets them.
        settings: of the tilt.
        given: the sampling; its VAE, score and rewards are used.
        note: called after each look; see `TiltedNoise`.
        measure: called once before the first step with a noise, a map from noises to the pictures that the model
            expects of them, and `graph_context` and `retry` as `ascend` gets them; None for nothing to measure.

    Returns:
        The sample in the model's space, and its noise with the record of what was looked at.
    """
    # Buffers that offloaded weights went through before belong to inference mode: no cast may fill them here.
    comfy.model_management.reset_cast_buffers()
    guider, options = model.inner_model, dict(extra_args["model_options"])
    x, sigmas = x.clone(), sigmas.clone()
    options["transformer_options"] = {**options.get("transformer_options", {}), "sample_sigmas": sigmas}
    mask = extra_args.get("denoise_mask")
    mask = None if mask is None else mask.clone()
    noises = int((sigmas[1:] > 0).sum())
    with (
        replaced(guider, "conds", ordinary_conditionings),
        prepared(given, settings.memory, guider, options, tuple(x.shape), 1, settings.through_model) as ready,
    ):
        tilted = TiltedNoise(
            settings.tilt,
            noises,
            given.score,
            note,
            **ready.arguments,
            movable=None if mask is None or (mask > 0).all() else (mask > 0).expand_as(x),
            plain_where_unusable=settings.plain_where_unusable,
        )
        looking = _LookingModel(model, sigmas, tilted, ready, settings, given)
        if measure is not None:
            measure(model.noise, looking.first_pictures(mask, extra_args.get("seed")), **ready.arguments)
        fresh = comfy.k_diffusion.sampling.default_noise_sampler(x, seed=extra_args.get("seed"))
        sample = comfy.k_diffusion.sampling.sample_euler_ancestral(
            looking,
            x,
            sigmas,
            {**extra_args, "denoise_mask": mask},
            callback,
            disable,
            eta=settings.eta,
            noise_sampler=lambda *of_step: tilted(fresh(*of_step)),
        )
        if sigmas[-1] == 0:
            looking.score(sample)
        else:  # the rest of the sigmas is another sampler's
            tilted.record.stop_reason = tilted.record.stop_reason or ALL_DONE
    return sample, tilted


class _LookingModel(comfy.samplers.KSamplerX0Inpaint):
    """The model of a sampler function that looks at the states whose noise is tilted; called once for each step."""

    def __init__(
        self,
        stock: comfy.samplers.KSamplerX0Inpaint,
        sigmas: Tensor,
        tilted: TiltedNoise,
        ready: Prepared,
        settings: TiltSettings,
        given: GuidedSampling,
    ):
        super().__init__(stock.inner_model, sigmas)
        self.latent_image, self.noise = stock.latent_image.clone(), stock.noise.clone()
        self._tilted, self._ready, self._settings, self._given = tilted, ready, settings, given
        self._checked = False

    def __call__(self, x, sigma, denoise_mask, model_options=None, seed=None):
        model_options = model_options or {}
        if not self._tilted.rho:
            self._tilted.pass_by()
            return super().__call__(x, sigma, denoise_mask, model_options, seed)
        latest: list[Tensor] = []

        def denoised(x: Tensor) -> Tensor:
            estimate = with_scaled_gradient(partial(self._estimate, sigma, denoise_mask, seed))(x)
            latest[:] = [estimate.detach().clone()]
            return estimate

        if self._within_memory(lambda: self._look(x, denoised), OUT_OF_MEMORY):
            return latest[0]
        self._tilted.fail(x, OUT_OF_MEMORY)
        return super().__call__(x, sigma, denoise_mask, model_options, seed)

    def first_pictures(self, denoise_mask: Tensor | None, seed: int | None) -> Callable[[Tensor], Tensor]:
        """The map from start noise (B, C, ...) to the pictures that the model expects of it at the first step."""
        sigma = self.sigmas[0]
        sampling = self.inner_model.inner_model.model_sampling
        whole = comfy.samplers.Sampler().max_denoise(self.inner_model, self.sigmas)

        def denoised(noise: Tensor) -> Tensor:
            x = sampling.noise_scaling(sigma, noise, self.latent_image, whole)
            return self._estimate(sigma * x.new_ones([x.shape[0]]), denoise_mask, seed, x)

        return images_of(denoised, self.inner_model, self._given.vae)

    def score(self, sample: Tensor) -> None:
        """Score the finished sample (B, C, ...) in the model's space."""
        generate = images_of(lambda latent: latent, self.inner_model, self._given.vae)
        if not self._within_memory(lambda: self._tilted.finish(sample, generate), NOT_SCORED):
            self._tilted.leave_unscored(sample, NOT_SCORED)

    def _within_memory(self, work: Callable[[], None], otherwise: str) -> bool:
        """Do the work; False where memory ran out and that ends the tilt alone. `otherwise` says so in the log."""
        try:
            work()
        except Exception as error:
            if not (self._settings.plain_where_unusable and out_of_memory(error)):
                raise
        else:
            return True
        # Not while the error is handled, which keeps the graph of what failed.
        comfy.model_management.soft_empty_cache()
        log.warning("NoiseTilt: %s.", otherwise)
        return False

    def _look(self, x: Tensor, denoised: Callable[[Tensor], Tensor]) -> None:
        """At x (B, C, ...), from which `denoised` makes the estimate of the sample."""
        if not self._settings.through_model:
            x, denoised = denoised(x), lambda estimate: estimate
        generate = images_of(self._ready.staged(denoised), self.inner_model, self._given.vae)
        with gradients_enabled():
            if not self._checked:
                self._ready.check(x, generate)
                self._checked = True
            self._tilted.look(x.detach().clone().requires_grad_(True), generate)

    def _estimate(self, sigmas: Tensor, denoise_mask: Tensor | None, seed: int | None, x: Tensor) -> Tensor:
        return super().__call__(x, sigmas, denoise_mask, self._ready.model_options, seed)
