"""What every search over noise does with an evaluation: note it, tell the callback, see whether to stop."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from .record import Incident, RunRecord
from .stopping import Stopping

Result = TypeVar("Result")


@dataclass(frozen=True)
class Step:
    """What a callback sees after each evaluation; the tensors are detached and may be kept.

    Attributes:
        index: 0 for the start noise, k after k updates; where seeds are tried first, they are counted too.
        images: (B, 3, H, W) of this evaluation.
        rewards: (B,) float32 on the CPU.
        improved: (B,) bool on the CPU, a new best.
        record: the live record of the run.
    """

    index: int
    images: Tensor
    rewards: Tensor
    improved: Tensor
    record: RunRecord


class Evaluations:
    """The evaluations of one run.

    Args:
        noise: the start noise (B, ...).
        stopping, callback: as for `ascend`.
        ascent_start: of the record.

    Attributes:
        record: valid after every evaluation.
        active: (B,) bool on the CPU, the samples that were not taken out.

    Raises:
        ValueError: the start noise is not finite.
    """

    def __init__(
        self,
        noise: Tensor,
        stopping: Stopping | None,
        callback: Callable[[Step], str | None] | None,
        ascent_start: int = 0,
    ):
        if not torch.isfinite(noise).all():
            raise ValueError("The start noise holds values that are not finite: check the node that makes it.")
        self.record = RunRecord.start(noise, ascent_start)
        self.active = torch.ones(noise.shape[0], dtype=torch.bool)
        self._stopping = stopping or Stopping()
        self._callback = callback
        self._started = time.perf_counter()

    @property
    def at_last(self) -> bool:
        """Whether the next evaluation is the last that the stopping rule's steps allow."""
        return len(self.record.rewards) == self.record.ascent_start + self._stopping.steps

    @property
    def share_done(self) -> float:
        """Which share of the planned updates is done: 0 before the first, 1 before the last."""
        return self.record.steps / max(1, self._stopping.steps - 1)

    def add(
        self,
        noise: Tensor,
        images: Tensor,
        rewards: Tensor,
        usable: Tensor,
        obstacle: Callable[[int], str],
        seconds: float,
        independent: bool = False,
    ) -> bool:
        """Note one evaluation and return whether the run goes on.

        Args:
            noise: (B, ...) that was evaluated.
            images: (B, 3, H, W).
            rewards: (B,) float32 on the CPU.
            usable: (B,) bool on the CPU, the samples in which nothing is wrong.
            obstacle: what is wrong with another one, by its number.
            seconds: that it took.
            independent: an evaluation that went wrong says nothing of the next one, so its sample goes on.
        """
        record = self.record
        improved = record.add(noise, rewards)
        record.seconds.append(seconds)
        record.elapsed = time.perf_counter() - self._started
        step = Step(len(record.rewards) - 1, images.detach(), rewards, improved, record)
        asked = self._callback(step) if self._callback is not None else None
        record.stop_reason = asked or self._stopping.reason(record, time.perf_counter() - self._started)
        for sample in torch.nonzero(self.active & ~usable).flatten().tolist():
            record.incidents.append(Incident(step.index, sample, obstacle(sample), not independent))
        if not independent:
            self.active &= usable
        if not record.stop_reason and not self.active.any():
            record.stop_reason = "no sample can be improved any further: " + record.incidents[-1].what
        return not record.stop_reason

    def finished(self, dtype: torch.dtype) -> RunRecord:
        """The record of the run that is over, its best noise in the dtype of the start noise."""
        self.record.best_noise = self.record.best_noise.to(dtype)
        return self.record


def never(error: Exception) -> bool:
    """The `retry` of a run that ends at its first error."""
    return False


def attempt(
    evaluation: Callable[[], Result],
    graph_context: Callable[[], AbstractContextManager],
    retry: Callable[[Exception], bool],
) -> Result:
    """`evaluation()` in a new context, repeated as long as it raises and `retry` of the error is true.

    What the failed attempt computed is freed before the next one starts, but not before `retry` is asked.
    """
    while True:
        try:
            with graph_context():
                return evaluation()
        except Exception as error:
            if not retry(error):
                raise


def checked_rewards(rewards: Tensor, batch: int) -> Tensor:
    """`rewards`, or ValueError unless they are one score per image."""
    if not isinstance(rewards, Tensor) or rewards.shape != (batch,):
        got = f"shape {tuple(rewards.shape)}" if isinstance(rewards, Tensor) else type(rewards).__name__
        raise ValueError(f"The reward returned {got}: it must be one score per image, shape ({batch},).")
    return rewards
