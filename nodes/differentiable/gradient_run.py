"""A run with gradients: the models in memory that holds a backward pass, with weights that autograd can use."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import comfy.model_management
from torch import Tensor

from ...optimization import RunRecord
from .attention import with_differentiable_attention
from .backward_plan import BackwardPlan
from .cast_again import cast_again
from .conditionings import evaluated_conditionings
from .guided_sampling import GuidedSampling
from .host_state import gradients_enabled, operations_without_backward_named
from .ordinary_tensors import clone_inference_tensors, freeze_as_ordinary, unwrap_attributes
from .run_sampler import Prepared, RunSampler, Search
from .streaming_check import check_streamed_gradient


def optimize_noise(sampling: GuidedSampling, memory: str, ascent: Search) -> tuple[RunRecord, Tensor]:
    """Run `ascent` on the noise of a guided, Euler-sampled, decoded and scored image.

    With memory "auto" a run that is out of memory goes on from where it is, recomputing more. The guider, its
    conditioning and the latent are not changed.

    Args:
        memory: one of `memory_modes.MODES`.
        ascent: with everything bound but `noise`, `generate`, `reward`, `graph_context` and `retry`.

    Returns:
        The record, whose best noise is on the CPU, and the best denoised latent (B, C, ...) float32 on the CPU, as it
        would leave the sampler.
    """
    # Buffers that offloaded weights went through in another node belong to inference mode: no cast may fill them here.
    comfy.model_management.reset_cast_buffers()
    with gradients_enabled():
        guider = copy.copy(sampling.guider)
        guider.original_conds = clone_inference_tensors(guider.original_conds)
        mask = sampling.denoise_mask
        ordinary = replace(
            sampling,
            guider=guider,
            noise=sampling.noise.clone(),
            latent_image=sampling.latent_image.clone(),
            sigmas=sampling.sigmas.clone(),
            denoise_mask=None if mask is None else mask.clone(),
        )
        return RunSampler(ordinary, ascent, partial(prepared, ordinary, memory)).run()


@contextmanager
def prepared(
    sampling: GuidedSampling,
    memory: str,
    model_wrap,
    model_options: dict,
    noise_shape: tuple[int, ...],
    steps: int,
    through_model: bool = True,
) -> Iterator[Prepared]:
    """Put diffusion model, VAE and reward on their devices together; what the plan recomputes is cast again.

    Args:
        sampling: its VAE, its rewards, and what else they need.
        memory: one of `memory_modes.MODES`.
        model_wrap: the guider while it samples.
        model_options: of the sampling.
        noise_shape: (B, C, ...).
        steps: of the sampling through which a gradient goes at once.
        through_model: whether gradients go through the diffusion model, or through VAE and reward alone.
    """
    patchers = [model_wrap.model_patcher, *sampling.companions(model_wrap)]
    plan = BackwardPlan(
        memory,
        model_wrap.model_patcher,
        sampling.vae,
        sampling.reward_patchers,
        model_wrap.loaded_models,
        noise_shape,
        evaluated_conditionings(model_wrap, model_options),
        steps,
        through_model,
    )
    comfy.model_management.load_models_gpu(patchers, memory_required=plan.memory_required)
    models = [patcher.model for patcher in patchers]
    for model in models:
        freeze_as_ordinary(model)
    unwrap_attributes(model_wrap.inner_model.latent_format)

    def check(noise, generate):
        check_streamed_gradient(noise, generate, models, plan.evaluation, plan.retry)

    with cast_again(*models), operations_without_backward_named():
        yield Prepared(
            with_differentiable_attention(model_options, model_wrap.model_patcher) if through_model else model_options,
            plan.staged,
            check,
            {"graph_context": plan.evaluation, "retry": plan.retry},
        )
