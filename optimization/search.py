"""The loop of the searches that need no gradient: propose, evaluate, keep the best of every sample."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from .evaluations import Evaluations, Step, attempt, checked_rewards
from .movable import MovablePart, WholeNoise, movable_part
from .record import RunRecord
from .stopping import Stopping


def search(
    noise: Tensor,
    generate: Callable[[Tensor], Tensor],
    reward: Callable[[Tensor], Tensor],
    propose: Callable[[RunRecord], Tensor],
    stopping: Stopping | None,
    callback: Callable[[Step], str | None] | None,
    graph_context: Callable[[], AbstractContextManager],
    retry: Callable[[Exception], bool],
    movable: Tensor | None,
) -> RunRecord:
    """Evaluate the start noise, then what `propose` gives, and record it as `ascend` does.

    No graph is ever built, and a reward that is not finite is noted and passed over: its sample goes on.

    Args:
        noise, generate, reward, stopping, callback, graph_context, retry, movable: as for `ascend`.
        propose: the record so far -> noise to evaluate next, (B, ...) float32 on the noise's device.

    Raises:
        ValueError: the start noise is not finite, or a reward or a proposal has the wrong shape.
    """
    x = noise.detach().to(torch.float32, copy=True)
    run = Evaluations(x, stopping, callback)
    try_noises(run, x, generate, reward, propose, graph_context, retry, movable_part(movable))
    return run.finished(noise.dtype)


def try_noises(
    run: Evaluations,
    noise: Tensor,
    generate: Callable[[Tensor], Tensor],
    reward: Callable[[Tensor], Tensor],
    propose: Callable[[RunRecord], Tensor],
    graph_context: Callable[[], AbstractContextManager],
    retry: Callable[[Exception], bool],
    part: WholeNoise | MovablePart,
    count: int | None = None,
) -> bool:
    """Evaluate `noise` and then proposals, until the run ends or `count` noises were evaluated.

    Args:
        run: notes the evaluations.
        noise: (B, ...) float32.
        generate, reward, propose, graph_context, retry: as for `search`.
        part: what is taken of the proposals; the rest stays that of `noise`.
        count: evaluations at the most, None for no other limit than those of the run.

    Returns:
        whether the run goes on.

    Raises:
        ValueError: as `search`.
    """
    x = noise

    def evaluate() -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            images = generate(x)
            return images, checked_rewards(reward(images), x.shape[0]).float().cpu()

    while True:
        started = time.perf_counter()
        images, rewards = attempt(evaluate, graph_context, retry)
        seconds = time.perf_counter() - started
        if not run.add(x, images, rewards, torch.isfinite(rewards), _not_finite, seconds, independent=True):
            return False
        if len(run.record.rewards) == count:
            return True
        started = time.perf_counter()
        with torch.no_grad():
            proposal = propose(run.record)
            if proposal.shape != x.shape:
                raise ValueError(
                    f"The proposed noise has shape {tuple(proposal.shape)}: it must have that of the start noise, "
                    f"{tuple(x.shape)}."
                )
            x = part.put(noise, part.parts(proposal.to(x)))
        run.record.seconds[-1] += time.perf_counter() - started


def _not_finite(sample: int) -> str:
    return "the reward is not finite"
