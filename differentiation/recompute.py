"""Block checkpointing whose gradient stays exact when blocks change their inputs in place.

`torch.utils.checkpoint` returns a wrong gradient, without an error, for a block that adds its residual in
place (`x += f(x)`) to a tensor that a saved operation needs. Here the block runs on copies, forward and
backward, and the recomputation tolerates mutation of what it saved.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from .saved_tensors import saved_before_mutation


def recompute(block: Callable, changes_inputs: bool = True) -> Callable:
    """A callable with the arguments and results of `block` that keeps only its inputs for backward.

    Weights are expected to be frozen: gradients flow to the tensor arguments only. Arguments may be nested
    in tuples, lists and dicts; those are held as they were at the call, even if the caller changes them
    later. Tensors handed over directly are copied before the block may change them; tensors inside
    containers are shared. Results may be nested likewise.

    Args:
        block: any callable; its tensors may have any shape and dtype.
        changes_inputs: False saves the copies, for a block that changes neither its arguments nor what it saved.

    Raises:
        RuntimeError: at the call, when a tensor that needs a gradient hides in an argument of another type, because
            its gradient would be lost.
    """

    def recomputed(*args, **kwargs):
        leaves, structure = tree_flatten((args, kwargs))
        is_tensor = [isinstance(leaf, Tensor) for leaf in leaves]
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        others = [None if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        _refuse_hidden_gradients(others)
        if not (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)):
            return block(*args, **kwargs)

        def run(*inputs: Tensor) -> tuple[list[Any], Any]:
            remaining = iter(inputs)
            filled = [next(remaining) if wanted else other for wanted, other in zip(is_tensor, others, strict=True)]
            call_args, call_kwargs = tree_unflatten(filled, structure)
            if changes_inputs:
                call_args = [_copy(argument) for argument in call_args]
                call_kwargs = {name: _copy(argument) for name, argument in call_kwargs.items()}
            return tree_flatten(block(*call_args, **call_kwargs))

        result_structure = []
        context = saved_before_mutation if changes_inputs else nullcontext
        results = _Recompute.apply(run, context, result_structure, *tensors)
        return tree_unflatten(list(results), result_structure[0])

    return recomputed


class _Recompute(torch.autograd.Function):
    @staticmethod
    def forward(ctx, run, context, result_structure, *tensors):
        ctx.run = run
        ctx.context = context
        ctx.save_for_backward(*tensors)
        with torch.no_grad():
            results, structure = run(*tensors)
        result_structure.append(structure)
        return tuple(results)

    @staticmethod
    def backward(ctx, *gradients):
        inputs = [
            tensor.detach().requires_grad_(needed)
            for tensor, needed in zip(ctx.saved_tensors, ctx.needs_input_grad[3:], strict=True)
        ]
        wanted = [tensor for tensor in inputs if tensor.requires_grad]
        with torch.enable_grad(), ctx.context():
            results, _ = ctx.run(*inputs)
            reached = [
                (result, gradient)
                for result, gradient in zip(results, gradients, strict=True)
                if isinstance(result, Tensor) and result.requires_grad and gradient is not None
            ]
            found = torch.autograd.grad(
                [result for result, _ in reached],
                wanted,
                [gradient for _, gradient in reached],
                allow_unused=True,
            )
        remaining = iter(found)
        return None, None, None, *(next(remaining) if tensor.requires_grad else None for tensor in inputs)


def _copy(argument):
    return argument.clone() if isinstance(argument, Tensor) else argument


def _refuse_hidden_gradients(leaves: list[Any]) -> None:
    for leaf in leaves:
        for value in getattr(leaf, "__dict__", {}).values():
            if isinstance(value, Tensor) and value.requires_grad:
                raise RuntimeError(
                    f"A {type(leaf).__name__} holds a tensor that needs a gradient, which recomputing this block "
                    "would lose. Keep the block instead of recomputing it."
                )
