"""What an ascent leaves behind: rewards, the best noise of every sample, and why it ended."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from .selection import select


@dataclass(frozen=True)
class Incident:
    """What was wrong with one sample at one step. taken_out: whether it ended there, with its best noise so far."""

    step: int
    sample: int
    what: str
    taken_out: bool = True


@dataclass(frozen=True)
class Best:
    """The best noise (B, ...) of every sample, its reward (B,) and its step (B,); see `RunRecord`."""

    noise: Tensor
    reward: Tensor
    step: Tensor


@dataclass
class RunRecord:
    """The state of an ascent, valid after every step (also after an exception in the middle of one).

    best_noise: (B, ...), like the start noise; the start noise itself until something better was seen.
    best_reward: (B,) float32; -inf for a sample whose reward was never finite.
    best_step: (B,) int64; 0 is the start noise, k the noise after k updates.
    rewards: one (B,) float32 tensor per evaluated noise, so ``steps + 1`` of them after a full run.
        A sample that was taken out keeps its last noise and is still evaluated.
    seconds: wall-clock seconds of each evaluation and update.
    elapsed: wall-clock seconds from the start of the first evaluation to the end of the last one, all in all.
    stop_reason: one sentence; empty while the ascent runs.
    incidents: what was wrong with single samples, in the order it happened.
    """

    best_noise: Tensor
    best_reward: Tensor
    best_step: Tensor
    rewards: list[Tensor] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    elapsed: float = 0.0
    stop_reason: str = ""
    incidents: list[Incident] = field(default_factory=list)

    @classmethod
    def start(cls, noise: Tensor) -> "RunRecord":
        batch = noise.shape[0]
        return cls(
            best_noise=noise.detach().clone(),
            best_reward=torch.full((batch,), -torch.inf),
            best_step=torch.zeros(batch, dtype=torch.int64),
        )

    @property
    def steps(self) -> int:
        """Updates made so far."""
        return max(0, len(self.rewards) - 1)

    @property
    def best(self) -> Best:
        """The best of every sample so far, to `go_back` to."""
        return Best(self.best_noise, self.best_reward, self.best_step)

    def go_back(self, best: Best) -> None:
        """Forget what was better since `best`; the rewards stay in the record."""
        self.best_noise, self.best_reward, self.best_step = best.noise, best.reward, best.step

    @property
    def went_back(self) -> bool:
        """Whether a better noise than the best one was seen, and given up by `go_back`."""
        history = self.reward_history()
        return bool((history.where(history.isfinite(), -torch.inf) > self.best_reward).any())

    @property
    def seconds_per_step(self) -> float:
        """Mean over the finished steps but the first, which warms up; over all while there are no others."""
        seconds = self.seconds[1:-1] or self.seconds
        return sum(seconds) / max(1, len(seconds))

    def reward_history(self) -> Tensor:
        """Rewards of all evaluations, (evaluations, B) float32."""
        return torch.stack(self.rewards) if self.rewards else torch.empty(0, len(self.best_reward))

    def add(self, noise: Tensor, rewards: Tensor) -> Tensor:
        """Note the rewards (B,) of ``noise``, float32 on the CPU; returns which are a new best, (B,) bool."""
        improved = torch.isfinite(rewards) & (rewards > self.best_reward)
        self.best_reward = torch.where(improved, rewards, self.best_reward)
        self.best_step = torch.where(improved, len(self.rewards), self.best_step)
        self.best_noise = select(improved, noise.detach(), self.best_noise)
        self.rewards.append(rewards)
        return improved
