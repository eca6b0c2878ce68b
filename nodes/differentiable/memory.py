"""What one evaluation with gradients needs beside weights, stage by stage: generator, decoder, reward."""

from collections.abc import Iterable
from typing import NamedTuple

import comfy.model_management
import comfy.model_patcher
import comfy.sampler_helpers
import comfy.sd
import comfy.taesd.taesd
import torch

from .decoder_blocks import decoder_blocks
from .model_presets import repeated_blocks

# In units of ComfyUI's estimates for inference. Counted on FLUX.1 and on the KL decoder, and rounded up:
# benchmarks/memory_estimate.py counts, tests/comfyui/test_memory.py holds these numbers against it.
KEPT_BLOCK, INPUT_OF_A_BLOCK, ONE_BLOCK = 0.4, 0.035, 1.0
BLOCKS_OF_AN_UNKNOWN_MODEL = 60
KEPT_DECODER, RECOMPUTED_DECODER, TINY_DECODER, OTHER_DECODER = 2.0, 1.0, 0.4, 3.0
KEPT_UNTIL_SCORED = 0.65
# A layer of a ViT keeps about 12 numbers per token and channel, and has about 12 weights per channel squared, so per
# picture tokens / width of its weights: 0.2 for H/14, 0.63 for SigLIP so400m at 384 pixels.
REWARD_PER_WEIGHT = 1.0


class Stage(NamedTuple):
    """Bytes of one stage: `kept` from its forward to its backward pass, `working` only while it runs."""

    kept: float
    working: float


def peak(stages: Iterable[Stage]) -> float:
    """Bytes at the worst moment of stages that run one after another, and backward in the opposite order.

    While a stage runs, those before it hold only what they keep: the peak is that of the largest, not the sum.
    """
    needed = 0.0
    for stage in reversed(list(stages)):
        needed = stage.kept + max(stage.working, needed)
    return needed


def evaluations_per_picture(conditionings: dict[str, list[dict]], steps: int) -> int:
    """At least one: some guiders keep their prompts elsewhere."""
    return max(1, steps * sum(map(len, conditionings.values())))


def generator_stage(
    recomputed: float,
    staged: bool,
    patcher: comfy.model_patcher.ModelPatcher,
    noise_shape: tuple[int, ...],
    conditionings: dict[str, list[dict]],
    steps: int,
) -> Stage:
    """The generator's memory. No cast weight outlives its block.

    Args:
        recomputed: share of the blocks.
        staged: nothing is kept before the generator's own backward pass.
        patcher: of the model.
        noise_shape: (B, C, ...).
        conditionings: what each of the sampling steps evaluates the model with.
        steps: of the sampling.
    """
    blocks = len(repeated_blocks(patcher.model.diffusion_model)) or BLOCKS_OF_AN_UNKNOWN_MODEL
    per_block = recomputed * INPUT_OF_A_BLOCK + (1 - recomputed) * KEPT_BLOCK
    evaluations = evaluations_per_picture(conditionings, steps)
    # For one of the conditionings. A patcher's own memory_required adds a reserve under dynamic VRAM.
    _, unit = comfy.sampler_helpers.estimate_memory(patcher, noise_shape, conditionings)
    kept, working = per_block * unit * blocks * evaluations, ONE_BLOCK * unit
    return Stage(0.0, kept + working) if staged else Stage(kept, working)


def decoder_stage(recomputed: bool, vae: comfy.sd.VAE, noise_shape: tuple[int, ...]) -> Stage:
    """The decoder's memory for latents of shape (B, C, ...). recomputed: its blocks are."""
    if recomputed:
        share = RECOMPUTED_DECODER
    elif decoder_blocks(vae):
        share = KEPT_DECODER
    else:
        share = TINY_DECODER if isinstance(vae.first_stage_model, comfy.taesd.taesd.TAESD) else OTHER_DECODER
    needed = share * vae.memory_used_decode(noise_shape, vae.vae_dtype)
    kept = KEPT_UNTIL_SCORED if recomputed else 1.0
    return Stage(kept * needed, (1 - kept) * needed)


def reward_stage(patchers: list[comfy.model_patcher.ModelPatcher], batch: int) -> Stage:
    """The rewards' memory for a batch of so many pictures."""
    weights = sum(patcher.model_size() for patcher in patchers)
    return Stage(REWARD_PER_WEIGHT * weights * batch, 0.0)


def available_memory(device: torch.device, ours: list[comfy.model_patcher.ModelPatcher]) -> float:
    """Bytes on `device` that are free, or become so when ComfyUI evicts models other than `ours`."""
    evictable = 0
    for loaded in comfy.model_management.current_loaded_models:
        model = loaded.model
        if model is None or loaded.device != device or any(model is mine or model.is_clone(mine) for mine in ours):
            continue
        evictable += loaded.model_loaded_memory()
    return comfy.model_management.get_free_memory(device) + evictable
