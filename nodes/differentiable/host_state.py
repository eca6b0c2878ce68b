"""Switches of the host that stand between a node and its gradients; all put back on leaving."""

from collections.abc import Iterator
from contextlib import contextmanager

import comfy.model_management
import torch
from comfy.ldm.modules.attention import attention_pytorch


@contextmanager
def gradients_enabled() -> Iterator[None]:
    """Leave inference mode, and let models choose operations that have a backward.

    ``in_training`` is process-wide; without it FLUX, Lumina and others call fused rotary embeddings that
    autograd does not know.
    """
    before = comfy.model_management.in_training
    with torch.inference_mode(False), torch.enable_grad():
        comfy.model_management.in_training = True
        try:
            yield
        finally:
            comfy.model_management.in_training = before


def differentiable_attention(original, *args, **kwargs):
    """An ``optimized_attention_override``: PyTorch's attention, because sage and flash kernels have no backward."""
    return attention_pytorch(*args, **kwargs)


def with_differentiable_attention(model_options: dict) -> dict:
    """Model options that route attention through PyTorch; the given ones are not changed."""
    transformer_options = {
        **model_options.get("transformer_options", {}),
        "optimized_attention_override": differentiable_attention,
    }
    return {**model_options, "transformer_options": transformer_options}


@contextmanager
def operations_without_backward_named() -> Iterator[None]:
    """Say in the user's words that a model uses an operation that PyTorch cannot go backward through."""
    try:
        yield
    except RuntimeError as error:
        if "no autograd formula was registered" not in str(error):
            raise
        raise ValueError(
            f"This model computes pictures but no gradients, it uses an operation without a backward pass ({error}) "
            "Use one of the models that the README lists, or let an Optimization Method search without gradients "
            "(best of seeds, local search)."
        ) from error
