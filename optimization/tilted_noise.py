"""One sampling whose noise is tilted: its steps are looked at one after another, and each then gets its noise."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from torch import Tensor

from .evaluations import Step, attempt, never
from .noise_tilt import NoiseTilt
from .record import Best, Incident, RunRecord
from .reward_gradient import evaluate, read
from .selection import select

ALL_DONE = "all steps done"


class SamplingRecord(RunRecord):
    """That of a sampling, which cannot go back: in the place of the best stands the latest."""

    after_a_fall = "the remaining steps take plain noise"

    def add(self, noise: Tensor, rewards: Tensor) -> Tensor:
        """As of `RunRecord`; everything is new."""
        self.best_reward, self.best_step = rewards, torch.full_like(self.best_step, len(self.rewards))
        self.rewards.append(rewards)
        return torch.ones(len(rewards), dtype=torch.bool)

    def go_back(self, best: Best) -> None:
        """Nothing."""


class TiltedNoise:
    """The noise of one sampling, tilted step by step.

    For every step: `look` at the state where `rho` is above 0, else `pass_by`; then take the step's noise, if it has
    any. Afterwards `finish`, if the sample is then a finished one.

    Args:
        tilt: how much of which step's noise is the reward's.
        noises: how many steps inject noise.
        reward: images (B, 3, H, W) in [0, 1] -> (B,), larger is better.
        callback: called after each look and at the end; a text that it returns ends the tilt, and the remaining steps
            take plain noise.
        graph_context, retry: as for `ascend`.
        movable: (B, ...) bool, where the picture may change; None for everywhere.
        plain_where_unusable: let a sample without a usable gradient take plain noise at that step, and go on.

    Attributes:
        record: of the looks and of the end; None before the first.
        injected: the latest tilted noise; None before the first.
        tilted_steps: how many steps took tilted noise so far.
        scored: whether the finished sample was scored: the record's last rewards are then its own.
    """

    def __init__(
        self,
        tilt: NoiseTilt,
        noises: int,
        reward: Callable[[Tensor], Tensor],
        callback: Callable[[Step], str | None] | None = None,
        graph_context: Callable[[], AbstractContextManager] = nullcontext,
        retry: Callable[[Exception], bool] = never,
        movable: Tensor | None = None,
        plain_where_unusable: bool = False,
    ):
        self.tilt, self.noises, self.reward = tilt, noises, reward
        self.record: SamplingRecord | None = None
        self.injected: Tensor | None = None
        self.tilted_steps = 0
        self.scored = False
        self._callback, self._graph_context, self._retry = callback, graph_context, retry
        self._movable, self._plain_where_unusable = movable, plain_where_unusable
        self._step = 0
        self._gradient: tuple[Tensor, Tensor, float] | None = None

    @property
    def rho(self) -> float:
        """Of the step that comes next; 0 for plain noise."""
        if self.record is not None and self.record.stop_reason:
            return 0.0
        return self.tilt.rho(self._step, self.noises)

    def look(self, x: Tensor, generate: Callable[[Tensor], Tensor]) -> None:
        """Score what the model expects of the state x, and find where the step's noise is tilted to.

        Args:
            x: (B, ...) float32, which requires a gradient.
            generate: x -> images (B, 3, H, W) in [0, 1].

        Raises:
            ValueError: a sample has no usable gradient, unless plain noise is wanted there.
        """
        started = time.perf_counter()
        images, rewards, gradient = attempt(
            partial(evaluate, x, generate, self.reward), self._graph_context, self._retry
        )
        if gradient is not None and self._movable is not None:
            gradient = gradient.where(self._movable, 0)
        rewards, usable, obstacle = read(x, rewards, gradient)
        for sample in torch.nonzero(~usable).flatten().tolist():
            self._unusable(x, sample, obstacle(sample))
        if usable.any():
            self._gradient = gradient, usable, self.rho
        self._note(x, images, rewards, started)
        if self.record.stop_reason:
            self._gradient = None
        self._step += 1

    def pass_by(self) -> None:
        """The next step takes plain noise."""
        self._step += 1

    def fail(self, x: Tensor, why: str) -> None:
        """End the tilt, for the state x (B, ...) could not be looked at; the remaining steps take plain noise."""
        self._begin(x)
        self.record.stop_reason = why
        self.pass_by()

    def __call__(self, noise: Tensor) -> Tensor:
        """The noise of the step that was last looked at or passed by: `noise` (B, ...), fresh and white, tilted."""
        if self._gradient is None:
            return noise
        (gradient, usable, rho), self._gradient = self._gradient, None
        tilted = self.tilt.tilted(noise, gradient, rho, self._movable)
        self.injected = select(usable, tilted, noise)
        self.tilted_steps += 1
        return self.injected

    def finish(self, x: Tensor, generate: Callable[[Tensor], Tensor]) -> None:
        """Score the finished sample x (B, ...), without a gradient."""
        started = time.perf_counter()
        ended = self.record.stop_reason if self.record is not None else ""
        images, rewards, _ = attempt(
            partial(evaluate, x, generate, self.reward, False), self._graph_context, self._retry
        )
        rewards, _, _ = read(x, rewards, None, wanted=False)
        self._note(x, images, rewards, started)
        self.record.stop_reason = ended or ALL_DONE
        self.scored = True

    def leave_unscored(self, x: Tensor, why: str) -> None:
        """In the place of `finish`: the finished sample x (B, ...) could not be scored."""
        self._begin(x)
        self.record.stop_reason = f"{self.record.stop_reason or ALL_DONE}; {why}"

    def _begin(self, x: Tensor) -> None:
        if self.record is None:
            self.record = SamplingRecord.start(x)
            self._started = time.perf_counter()

    def _note(self, x: Tensor, images: Tensor, rewards: Tensor, started: float) -> None:
        self._begin(x)
        record = self.record
        improved = record.add(x, rewards)
        record.seconds.append(time.perf_counter() - started)
        record.elapsed = time.perf_counter() - self._started + record.seconds[0]
        if self._callback is not None:
            step = Step(len(record.rewards) - 1, images, rewards, improved, record)
            record.stop_reason = self._callback(step) or record.stop_reason

    def _unusable(self, x: Tensor, sample: int, why: str) -> None:
        if not self._plain_where_unusable:
            raise ValueError(
                f"Picture {sample + 1} cannot be steered at step {self._step + 1}: {why}. Look at the reward and its "
                "inputs, or let such steps take plain noise."
            )
        self._begin(x)
        self.record.incidents.append(Incident(self._step, sample, why, taken_out=False))
