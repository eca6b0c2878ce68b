"""The ascent as a sampler: ComfyUI prepares model, conditioning, LoRA and masks once, and cleans up after it."""

import copy
import logging
from collections.abc import Callable
from contextlib import ExitStack

import comfy.model_management
import comfy.model_patcher
import comfy.samplers
import comfy.sd
import torch
from torch import Tensor

from ...optimization import AscentRecord
from .euler_rollout import EulerRollout
from .host_state import gradients_enabled, with_differentiable_attention
from .memory import backward_memory, choose_mode, decoding_memory, sampling_memory
from .model_presets import repeated_blocks
from .ordinary_tensors import clone_inference_tensors, freeze_as_ordinary
from .vae_decode import decode

log = logging.getLogger(__name__)

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
    (B, 3, H, W) in [0, 1] -> (B,), whose weights the patchers hold. memory: one of ``memory.MODES``. ascent:
    ``ascend`` with everything bound but ``noise``, ``generate``, ``reward`` and ``graph_context``.

    Returns the record, whose best noise is on the CPU, and the best denoised latent (B, C, ...) float32 on the
    CPU, as it would leave the sampler. With memory "auto" a run that kept the model's blocks and ran out of memory is
    started again, recomputing them. The guider, its conditioning and the latent are not changed.
    """
    sampler = _AscentSampler(vae, score, reward_patchers, memory, ascent)
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
        patcher = model_wrap.model_patcher
        mode = self._load(model_wrap, tuple(noise.shape), evaluations=(len(sigmas) - 1) * len(model_wrap.conds))
        rollout = EulerRollout(
            model_wrap,
            sigmas,
            {**extra_args, "model_options": with_differentiable_attention(extra_args["model_options"])},
            latent_image,
            denoise_mask,
            self.max_denoise(model_wrap, sigmas),
        )

        def generate(x: Tensor) -> Tensor:
            comfy.model_management.throw_exception_if_processing_interrupted()
            latent = model_wrap.inner_model.process_latent_out(rollout(x))
            comfy.model_management.throw_exception_if_processing_interrupted()
            return decode(self.vae, latent)

        def ascend(mode: str) -> AscentRecord:
            with ExitStack() as stack:
                return self.ascent(noise, generate, self.score, graph_context=backward_memory(mode, patcher, stack))

        fallback = self.memory == "auto" and mode == "keep" and bool(repeated_blocks(patcher.model.diffusion_model))
        try:
            self.record = ascend(mode)
        except comfy.model_management.OOM_EXCEPTION:
            if not fallback:
                raise
            self.record = None
        if self.record is None:  # outside the handler, which still holds the tensors of the failed pass
            log.warning("Out of memory while keeping the model's blocks: starting again, recomputing them.")
            comfy.model_management.soft_empty_cache()
            self.record = ascend("recompute")
        with torch.no_grad():
            return rollout(self.record.best_noise)

    def _load(self, model_wrap, noise_shape: tuple[int, ...], evaluations: int) -> str:
        """Put diffusion model, VAE and reward on their devices together, with weights autograd can use.

        Returns the memory mode of the run.
        """
        model = model_wrap.model_patcher
        companions = [*model_wrap.loaded_models, self.vae.patcher, *self.reward_patchers]
        decoding = decoding_memory(self.vae, noise_shape)
        arriving = sum(patcher.model_size() - patcher.loaded_size() for patcher in companions)
        mode = choose_mode(self.memory, model, noise_shape, evaluations, decoding + arriving)
        sampling = sampling_memory(mode, model, noise_shape, evaluations)
        comfy.model_management.load_models_gpu([model, *companions], memory_required=decoding + sampling)
        for patcher in (model, *companions):
            freeze_as_ordinary(patcher.model)
        return mode
