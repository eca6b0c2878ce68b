"""Switches of the host that stand between a node and its gradients; all put back on leaving."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import comfy.cli_args
import comfy.model_management
import torch

from ...differentiation import replaced
from .remedies import WITHOUT_MODEL_GRADIENT

# From ComfyUI 0.34 on a compiler records allocations and replays them, and from 0.33 on blocks are replayed as CUDA
# graphs: memory that autograd holds would be used again. Both switches are read at every call of the model.
COMPILER_SWITCHES = ("disable_comfy_compiler", "disable_cuda_graphs")


@contextmanager
def gradients_enabled() -> Iterator[None]:
    """Leave inference mode, and let models choose operations that have a backward, without ComfyUI's compiler.

    `in_training` is process-wide, and so are the compiler's switches; without it FLUX, Lumina and others call fused
    rotary embeddings that autograd does not know.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(replaced(comfy.model_management, "in_training", lambda _: True))
        for switch in COMPILER_SWITCHES:
            if hasattr(comfy.cli_args.args, switch):
                stack.enter_context(replaced(comfy.cli_args.args, switch, lambda _: True))
        yield


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
            f"Use one of the models that the README lists. {WITHOUT_MODEL_GRADIENT}"
        ) from error
