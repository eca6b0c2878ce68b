"""The scores of a run: every reward of a mix at every step, and watched rewards that end the run."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..optimization import Step
from ..reward_models import RewardMix


@dataclass(frozen=True)
class WatchLimit:
    """End the run when a watched reward stays more than `drop` below its best for `steps` steps in a row."""

    drop: float
    steps: int


class ScoreHistory:
    """A reward as ``ascend`` wants it, images (B, 3, H, W) -> (B,), that remembers the parts of a mix.

    limits: by the position of a watched reward in the mix.
    parts: per reward of the mix one (B,) tensor on the CPU for each evaluation; empty for a single reward.
    """

    def __init__(self, reward: nn.Module, prompts: str | Sequence[str] | None, limits: dict[int, WatchLimit]):
        self.reward = reward
        self.prompts = prompts
        self.limits = limits
        self.parts: dict[str, list[Tensor]] = {}
        self._latest: dict[str, Tensor] = {}

    def __call__(self, images: Tensor) -> Tensor:
        if not isinstance(self.reward, RewardMix):
            return self.reward(images, self.prompts)
        total, self._latest = self.reward.forward_with_parts(images, self.prompts)
        return total

    def read(self, step: Step) -> str | None:
        """Note the parts of the last evaluation; returns why a watched reward ends the run, if one does."""
        for name, scores in self._latest.items():
            self.parts.setdefault(name, []).append(scores.float().cpu())
        for index, limit in self.limits.items():
            name = self.reward.names[index]
            curve = torch.stack(self.parts[name]).mean(1)
            below = curve < curve.cummax(0).values - limit.drop
            if len(curve) >= limit.steps and bool(below[-limit.steps :].all()):
                best = float(curve.max())
                return (
                    f"{name}, which is watched, was more than {limit.drop:g} below its best ({best:.4g}) for "
                    f"{limit.steps} steps"
                )
        return None
