"""What an ascent leaves behind: rewards, the best noise of every sample, and why it ended."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from .selection import select


@dataclass(frozen=True)
class Incident:
    """What was wrong with one sample at one step.

    Attributes:
        step, sample: which ones, from 0 on.
        what: in words.
        taken_out: whether the sample ended there, with its best noise so far.
    """

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

    Attributes:
        best_noise: (B, ...), like the start noise; the start noise itself until something better was seen.
        best_reward: (B,) float32; -inf for a sample whose reward was never finite.
        best_step: (B,) int64, which evaluation it was: 0 for the start noise and, where no seeds were tried first, k
            for the noise after k updates.
        rewards: one (B,) float32 tensor per evaluated noise, so `steps + 1` of them after a full run, and those of the
            seeds that were tried first. A sample that was taken out keeps its last noise and is still evaluated.
        seconds: wall-clock seconds of each evaluation and update.
        elapsed: wall-clock seconds from the start of the first evaluation to the end of the last one, all in all.
        stop_reason: one sentence; empty while the ascent runs.
        incidents: what was wrong with single samples, in the order it happened.
        ascent_start: which evaluation the ascent begins with; those before it are of seeds, the start noise the first
            of them. It evaluates the best seed of every sample once more, with gradients. 0: no seeds first. A run that
            ended among its seeds has fewer evaluations than this.
    """

    best_noise: Tensor
    best_reward: Tensor
    best_step: Tensor
    rewards: list[Tensor] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    elapsed: float = 0.0
    stop_reason: str = ""
    incidents: list[Incident] = field(default_factory=list)
    ascent_start: int = 0

    # What becomes of a run after `go_back`, in words.
    after_a_fall = "the best noise from before it fell, up to step {step}, is handed on"

    @classmethod
    def start(cls, noise: Tensor, ascent_start: int = 0) -> "RunRecord":
        """That of a run from `noise` (B, ...), before its first evaluation."""
        batch = noise.shape[0]
        return cls(
            best_noise=noise.detach().clone(),
            best_reward=torch.full((batch,), -torch.inf),
            best_step=torch.zeros(batch, dtype=torch.int64),
            ascent_start=ascent_start,
        )

    @property
    def steps(self) -> int:
        """Updates made so far; 0 among the seeds."""
        return max(0, len(self.rewards) - 1 - self.ascent_start)

    @property
    def seeds(self) -> int:
        """Seeds tried so far, the start noise among them; 0 where none are tried first."""
        return min(self.ascent_start, len(self.rewards))

    @property
    def best_seed(self) -> Tensor:
        """(B,) int64, the evaluation of the best seed so far: the noise that the ascent starts from. 0: the start."""
        return self._finite_history()[: self.seeds].argmax(0) if self.seeds else torch.zeros_like(self.best_step)

    @property
    def start_reward(self) -> Tensor:
        """(B,) float32, the reward that the ascent starts from: the best seed's, or the start noise's without any."""
        return self.reward_history()[self.best_seed, torch.arange(len(self.best_reward))]

    @property
    def best_update(self) -> Tensor:
        """(B,) int64, after how many updates of the ascent the best came; 0 for what it started from."""
        return (self.best_step - self.ascent_start).clamp_min(0)

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
        return bool((self._finite_history() > self.best_reward).any())

    @property
    def seconds_per_step(self) -> float:
        """Mean over the finished steps but the first, which warms up; over all while there are no others."""
        seconds = self.seconds[self.ascent_start :][1:-1] or self.seconds[self.ascent_start :] or self.seconds
        return sum(seconds) / max(1, len(seconds))

    def reward_history(self) -> Tensor:
        """Rewards of all evaluations, (evaluations, B) float32."""
        return torch.stack(self.rewards) if self.rewards else torch.empty(0, len(self.best_reward))

    def _finite_history(self) -> Tensor:
        history = self.reward_history()
        return history.where(history.isfinite(), -torch.inf)

    def add(self, noise: Tensor, rewards: Tensor) -> Tensor:
        """Note the rewards (B,) of `noise`, float32 on the CPU; returns which are a new best, (B,) bool."""
        improved = torch.isfinite(rewards) & (rewards > self.best_reward)
        self.best_reward = torch.where(improved, rewards, self.best_reward)
        self.best_step = torch.where(improved, len(self.rewards), self.best_step)
        self.best_noise = select(improved, noise.detach(), self.best_noise)
        self.rewards.append(rewards)
        return improved
