"""What is kept for the backward pass, and what is computed again."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext

import comfy.model_management
import comfy.model_patcher
import comfy.sd
from torch.autograd.graph import allow_mutation_on_saved_tensors

from .block_recompute import recomputed_blocks
from .model_presets import repeated_blocks

log = logging.getLogger(__name__)

MODES = ("auto", "recompute", "keep")


# Memory of a backward pass in units of ComfyUI's estimates for inference, which count one block at a time; the
# decoder's was counted (benchmarks/memory_estimate.py), the rest is a bound until it is measured on a GPU.
DECODER_BACKWARD = 3
RECOMPUTED_BACKWARD = 3


def sampling_memory(
    mode: str, patcher: comfy.model_patcher.ModelPatcher, noise_shape: tuple[int, ...], evaluations: int
) -> float:
    """Bytes that the backward pass through the model needs beside its weights.

    evaluations: of the model per picture, sampling steps times conditionings. Keeping holds the activations of
    every block and, where weights are cast or offloaded, a copy of every weight.
    """
    block = patcher.memory_required(noise_shape) * evaluations
    if mode == "recompute":
        return RECOMPUTED_BACKWARD * block
    return block * max(1, len(repeated_blocks(patcher.model.diffusion_model))) + patcher.model_size()


def decoding_memory(vae: comfy.sd.VAE, noise_shape: tuple[int, ...]) -> float:
    """Bytes that the backward pass through the decoder needs beside its weights."""
    return DECODER_BACKWARD * vae.memory_used_decode(noise_shape, vae.vae_dtype)


def choose_mode(
    mode: str,
    patcher: comfy.model_patcher.ModelPatcher,
    noise_shape: tuple[int, ...],
    evaluations: int,
    others: float,
) -> str:
    """The mode "recompute" or "keep" for the setting ``mode``; "auto" keeps what fits into free memory.

    others: bytes that will be needed for everything but the model's own backward pass and weights.
    """
    if not repeated_blocks(patcher.model.diffusion_model):
        if mode == "recompute":
            name = type(patcher.model.diffusion_model).__name__
            log.warning("The blocks of %s are not known here: everything is kept for the backward pass.", name)
        return "keep"
    if mode != "auto":
        return mode
    weights = patcher.model_size() - patcher.loaded_size()
    needed = sampling_memory("keep", patcher, noise_shape, evaluations) + weights + others
    return "keep" if needed < comfy.model_management.get_free_memory(patcher.load_device) else "recompute"


def backward_memory(
    mode: str, patcher: comfy.model_patcher.ModelPatcher, stack: ExitStack
) -> Callable[[], AbstractContextManager]:
    """Prepare the model for ``mode`` until ``stack`` closes; returns the context for one forward and backward.

    Kept blocks change their inputs in place after autograd saved them, hence the context that tolerates it.
    """
    if mode == "keep":
        return allow_mutation_on_saved_tensors
    stack.enter_context(recomputed_blocks(repeated_blocks(patcher.model.diffusion_model)))
    return nullcontext
