"""What is kept for the backward pass, and what is computed again."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext

import comfy.model_management
import comfy.model_patcher
from torch.autograd.graph import allow_mutation_on_saved_tensors

from .block_recompute import recomputed_blocks, repeated_blocks

log = logging.getLogger(__name__)

MODES = ("auto", "recompute", "keep")


def choose_mode(mode: str, patcher: comfy.model_patcher.ModelPatcher, noise_shape: tuple[int, ...]) -> str:
    """The mode "recompute" or "keep" for the setting ``mode``; "auto" keeps what fits into free memory.

    Keeping holds the activations of every block and, where weights are cast or offloaded, a copy of every
    weight. ComfyUI's estimate for inference counts one block at a time, hence the product.
    """
    blocks = repeated_blocks(patcher.model.diffusion_model)
    if not blocks:
        if mode == "recompute":
            name = type(patcher.model.diffusion_model).__name__
            log.warning("The blocks of %s are not known here: everything is kept for the backward pass.", name)
        return "keep"
    if mode != "auto":
        return mode
    kept = patcher.memory_required(noise_shape) * len(blocks) + patcher.model_size()
    return "keep" if kept < comfy.model_management.get_free_memory(patcher.load_device) else "recompute"


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
