"""The ascent as a sampler: ComfyUI prepares model, conditioning, LoRA and masks once, and cleans up after it."""

import copy
from collections.abc import Callable

import comfy.model_management
import comfy.model_patcher
import comfy.samplers
import comfy.sd
import torch
from torch import Tensor

from ...optimization import AscentRecord
from .attention import with_differentiable_attention
from .backward_plan import BackwardPlan
from .cast_again import cast_again
from .conditionings import evaluated_conditionings
from .euler_rollout import EulerRollout
from .host_state import gradients_enabled, operations_without_backward_named
from .ordinary_tensors import clone_inference_tensors, freeze_as_ordinary, unwrap_attributes
from .pictures import pictures_of
from .streaming_check import check_streamed_gradient

Ascent = Callable[..., AscentRecord]


def optimize_noise(
    guider: comfy.samplers.CFGGuider,
    noise: Tensor,
    latent_image: Tensor,
    sigmas: Tensor,
    denoise_mask: Tensor | None,
    seed: int,
    vae: comfy.sd.VAE,
    score: Callable[[Tensor], Tensor],
    reward_patchers: list[comfy.model_patcher.ModelPatcher],
    memory: str,
    ascent: Ascent,
) -> tuple[AscentRecord, Tensor]:
    """Run ``ascent`` on the noise of a guided, Euler-sampled, decoded and scored picture.

    noise, latent_image: (B, C, ...), as SamplerCustomAdvanced gets them. sigmas: (steps + 1,). score: pictures
    (B, 3, H, W) in [0, 1] -> (B,), whose weights the patchers hold. memory: one of ``memory_modes.MODES``. ascent:
    ``ascend`` with everything bound but ``noise``, ``generate``, ``reward``, ``graph_context`` and ``retry``.

    Returns the record, whose best noise is on the CPU, and the best denoised latent (B, C, ...) float32 on the
    CPU, as it would leave the sampler. With memory "auto" a run that is out of memory goes on from where it is,
    recomputing more. The guider, its conditioning and the latent are not changed.
    """
    sampler = _AscentSampler(vae, score, reward_patchers, memory, ascent)
    # Buffers that offloaded weights went through in another node belong to inference mode: no cast may fill them here.
    comfy.model_management.reset_cast_buffers()
    with gradients_enabled():
        guider = copy.copy(guider)
        guider.original_conds = clone_inference_tensors(guider.original_conds)
        latent = guider.sample(
            noise.clone(),
            latent_image.clone(),
            sampler,
            sigmas.clone(),
            denoise_mask=None if denoise_mask is None else denoise_mask.clone(),
            disable_pbar=True,
            seed=seed,
        )
    sampler.record.best_noise = sampler.record.best_noise.cpu()
    return sampler.record, latent.detach().cpu()


class _AscentSampler(comfy.samplers.Sampler):
    def __init__(
        self,
        vae: comfy.sd.VAE,
        score: Callable[[Tensor], Tensor],
        reward_patchers: list[comfy.model_patcher.ModelPatcher],
        memory: str,
        ascent: Ascent,
    ):
        self.vae = vae
        self.score = score
        self.reward_patchers = reward_patchers
        self.memory = memory
        self.ascent = ascent
        self.record: AscentRecord | None = None

    def sample(
        self,
        model_wrap,
        sigmas,
        extra_args,
        callback,
        noise,
        latent_image=None,
        denoise_mask=None,
        disable_pbar=False,
    ):
        conditionings = evaluated_conditionings(model_wrap, extra_args["model_options"])
        plan = self._load(model_wrap, tuple(noise.shape), conditionings, steps=len(sigmas) - 1)
        options = with_differentiable_attention(extra_args["model_options"], model_wrap.model_patcher)
        rollout = EulerRollout(
            model_wrap,
            sigmas,
            {**extra_args, "model_options": options},
            latent_image,
            denoise_mask,
            self.max_denoise(model_wrap, sigmas),
        )
        generate = pictures_of(plan.staged(rollout), model_wrap, self.vae)
        models = [patcher.model for patcher in (model_wrap.model_patcher, *self._companions(model_wrap))]
        with cast_again(*models), operations_without_backward_named():
            check_streamed_gradient(noise, generate, models, plan.evaluation, plan.retry)
            self.record = self.ascent(noise, generate, self.score, graph_context=plan.evaluation, retry=plan.retry)
        with torch.no_grad():
            return rollout(self.record.best_noise)

    def _companions(self, model_wrap) -> list[comfy.model_patcher.ModelPatcher]:
        """What must be on its device beside the diffusion model: ControlNets and the like, VAE and reward."""
        return [*model_wrap.loaded_models, self.vae.patcher, *self.reward_patchers]

    def _load(
        self, model_wrap, noise_shape: tuple[int, ...], conditionings: dict[str, list[dict]], steps: int
    ) -> BackwardPlan:
        """Put diffusion model, VAE and reward on their devices together, with weights autograd can use.

        Returns what the run keeps and recomputes.
        """
        model = model_wrap.model_patcher
        companions = self._companions(model_wrap)
        plan = BackwardPlan(
            self.memory,
            model,
            self.vae,
            self.reward_patchers,
            model_wrap.loaded_models,
            noise_shape,
            conditionings,
            steps,
        )
        comfy.model_management.load_models_gpu([model, *companions], memory_required=plan.memory_required)
        for patcher in (model, *companions):
            freeze_as_ordinary(patcher.model)
        unwrap_attributes(model_wrap.inner_model.latent_format)
        return plan
