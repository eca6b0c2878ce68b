"""Projected gradient ascent on the input noise of a generator.

GPER, "Gradient Preconditioning for Efficient and Reliable Reward-Guided Generation" (arXiv 2602.08646).
"""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from .evaluations import Evaluations, Step, attempt, never
from .movable import movable_part
from .record import RunRecord
from .reward_gradient import evaluate, read
from .seeds_first import SeedsFirst
from .selection import select
from .stopping import Stopping

PAPER_OPTIMIZER = partial(torch.optim.Adam, lr=0.02)
PAPER_MAX_GRADIENT_NORM = 0.03


class Preconditioner(Protocol):
    """Shapes the gradient, and brings the noise back to where it belongs; both keep the shape (B, ...)."""

    def precondition(self, gradient: Tensor, noise: Tensor) -> Tensor: ...

    def retract(self, noise: Tensor) -> Tensor: ...


def ascend(
    noise: Tensor,
    generate: Callable[[Tensor], Tensor],
    reward: Callable[[Tensor], Tensor],
    preconditioner: Preconditioner,
    optimizer: Callable[[list[Tensor]], torch.optim.Optimizer] = PAPER_OPTIMIZER,
    max_gradient_norm: float | None = PAPER_MAX_GRADIENT_NORM,
    schedule: Callable[[float], float] | None = None,
    retraction: Callable[[Tensor], Callable[[Tensor], Tensor]] | None = None,
    stopping: Stopping | None = None,
    callback: Callable[[Step], str | None] | None = None,
    graph_context: Callable[[], AbstractContextManager] = nullcontext,
    retry: Callable[[Exception], bool] = never,
    seeds_first: SeedsFirst | None = None,
    movable: Tensor | None = None,
) -> RunRecord:
    """Maximize `reward(generate(noise))` over the noise, each sample of the batch on its own.

        repeat:  g = d reward(generate(x)) / dx;  x = optimizer(x, clip(precondition(g)));  x = retract(x)

    The noise is optimized in float32 whatever its dtype, so small steps are not rounded away. The start
    noise is evaluated as it is, unprojected; the noise after the last update is evaluated too.

    On the CPU the same start gives the same result bit for bit; on a GPU as far as the operations of `generate`
    and `reward` are deterministic there.

    A sample whose reward or gradient is not finite, or whose gradient is zero, is taken out: it keeps its
    best noise and the record tells the step. The run ends early when no sample is left.

    Args:
        noise: (B, ...), finite; not changed.
        generate: noise -> images (B, 3, H, W) in [0, 1].
        reward: images -> (B,), larger is better.
        preconditioner: shapes the gradient, and brings the noise back.
        optimizer: makes a torch optimizer of one parameter (the default is the paper's Adam with learning rate 0.02).
        max_gradient_norm: per-sample clip of the preconditioned gradient (paper: 0.03), None for no clip.
        schedule: share of the planned steps that are done, 0 before the first update and 1 before the last -> factor
            of the learning rate; None for the same one throughout.
        retraction: start noise -> what brings noise back in the place of the preconditioner's `retract`, for one that
            depends on the start, such as a limit on how far it is left; float32.
        stopping: default 200 steps.
        callback: called after each evaluation; a text that it returns ends the run and becomes the stop reason, an
            exception in it ends the run at once.
        graph_context: makes a context that each forward and its backward run in, such as `saved_before_mutation`.
        retry: whether an evaluation that raised this error is tried again, in a new context; noise, optimizer and
            record are still those of before it, so a run that was out of memory goes on in a context that needs less,
            and loses nothing.
        seeds_first: seeds to try without gradients, the best of which the ascent starts from instead of `noise`;
            `stopping.steps` does not count them, and all other limits, the callback and `retry` hold for them too.
        movable: (B, ...) bool, the elements of the noise that may change; None for all. The others stay bit for bit.
            Preconditioner, optimizer and retraction then see the elements that may change and nothing else, (b, n) of
            samples that have the same ones.

    Returns:
        the record, its best noise in the dtype of `noise`.

    Raises:
        ValueError: the noise is not finite, a reward has the wrong shape, or the clip is not above 0.
    """
    if max_gradient_norm is not None and not (max_gradient_norm > 0 and math.isfinite(max_gradient_norm)):
        raise ValueError(f"The gradient clip is {max_gradient_norm}: set it above 0, or leave it out.")
    part = movable_part(movable)
    x = noise.detach().to(torch.float32, copy=True).requires_grad_(True)
    run = Evaluations(x, stopping, callback, seeds_first.count if seeds_first else 0)
    if seeds_first is not None:
        if not seeds_first.tried(run, x.detach(), generate, reward, graph_context, retry, part):
            return run.finished(noise.dtype)
        x = run.record.best_noise.clone().requires_grad_(True)
    variables = [x] if movable is None else [p.requires_grad_(True) for p in part.parts(x.detach())]
    retractions = [preconditioner.retract if retraction is None else retraction(p.detach().clone()) for p in variables]
    stepper = optimizer(variables)
    learning_rates = [group["lr"] for group in stepper.param_groups]

    while True:
        started = time.perf_counter()
        last = run.at_last
        images, rewards, gradient = attempt(partial(evaluate, x, generate, reward, not last), graph_context, retry)
        if gradient is not None and movable is not None:
            gradient = gradient.where(movable, 0)
        rewards_read, usable, obstacle = read(x, rewards, gradient, wanted=not last)
        if not run.add(x, images, rewards_read, usable, obstacle, time.perf_counter() - started):
            return run.finished(noise.dtype)
        started = time.perf_counter()
        with torch.no_grad():
            before = x.clone()
            nothing = torch.zeros_like(x)
            gradients = part.parts(select(run.active, gradient, nothing))
            shaped = map(preconditioner.precondition, gradients, part.parts(before))
            gradient = select(run.active, part.put(nothing, list(shaped)), nothing)
            for variable, ascending in zip(variables, part.parts(_clipped(gradient, max_gradient_norm)), strict=True):
                variable.grad = -ascending
            if schedule is not None:
                for group, rate in zip(stepper.param_groups, learning_rates, strict=True):
                    group["lr"] = rate * schedule(run.share_done)
            stepper.step()
            moved = [retract(v.detach()) for retract, v in zip(retractions, variables, strict=True)]
            x.copy_(select(run.active, part.put(before, moved), before))
            for variable, value in zip(variables, part.parts(x), strict=True):
                variable.copy_(value)
        run.record.seconds[-1] += time.perf_counter() - started


def _clipped(gradient: Tensor, max_norm: float | None) -> Tensor:
    if max_norm is None:
        return gradient
    norm = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
    scale = (max_norm / norm.clamp_min(torch.finfo(norm.dtype).tiny)).clamp_max(1)
    return gradient * scale.view(-1, *[1] * (gradient.dim() - 1))
