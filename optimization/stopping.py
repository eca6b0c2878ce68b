"""When an ascent ends."""

import math
from dataclasses import dataclass

from .record import RunRecord


@dataclass(frozen=True)
class Stopping:
    """Limits of an ascent; None switches a limit off.

    Attributes:
        steps: updates of the noise; seeds that are tried first are not counted.
        seconds: wall-clock budget; the step in progress is finished. Of an ascent and a search alike the clock starts
            with the evaluation of the start noise, so loading models is not in it.
        target_reward: every sample has reached it.
        patience: no sample has found a better noise for this many steps. It counts from the first update on, since a
            seed says nothing of the next one.

    Raises:
        ValueError: on construction for limits that cannot be meant.
    """

    steps: int = 200
    seconds: float | None = None
    target_reward: float | None = None
    patience: int | None = None

    def __post_init__(self):
        if self.steps < 1:
            raise ValueError(f"steps is {self.steps}: set it to 1 or more.")
        if self.seconds is not None and not self.seconds > 0:
            raise ValueError(f"The time budget is {self.seconds} seconds: set it above 0, or leave it out.")
        if self.target_reward is not None and not math.isfinite(self.target_reward):
            raise ValueError(f"The target reward is {self.target_reward}: set it to a number.")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience is {self.patience}: set it to 1 or more, or leave it out.")

    def reason(self, record: RunRecord, elapsed: float) -> str:
        """Why to stop after the evaluations in `record` and `elapsed` seconds, or an empty string."""
        if self.target_reward is not None and bool((record.best_reward >= self.target_reward).all()):
            return f"reached the target reward {self.target_reward:g}"
        latest = max(0, int(record.best_step.max()) - record.ascent_start)
        if self.patience is not None and record.steps - latest >= self.patience:
            return f"no better noise for {self.patience} steps"
        if record.steps >= self.steps:
            return f"all {self.steps} steps done"
        if self.seconds is not None and elapsed >= self.seconds:
            return f"the time budget of {self.seconds:g} seconds is used up"
        return ""
