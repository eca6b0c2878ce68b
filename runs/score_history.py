"""The scores of a run: every reward of a mix at every step, and watched rewards that end the run."""

from collections.abc import Sequence

from torch import Tensor, nn

from ..optimization import Step
from ..reward_models import RewardMix
from .kept_images import KeptImages
from .watched_reward import WatchedReward, WatchLimit


class ScoreHistory:
    """A reward as ``ascend`` wants it, images (B, 3, H, W) -> (B,), that remembers the parts of a mix.

    limits: by the position of a watched reward in the mix.
    parts: per reward of the mix one (B,) tensor on the CPU for each evaluation; empty for a single reward.
    """

    def __init__(self, reward: nn.Module, prompts: str | Sequence[str] | None, limits: dict[int, WatchLimit]):
        self.reward = reward
        self.prompts = prompts
        self.parts: dict[str, list[Tensor]] = {}
        self._watched = [WatchedReward(reward.names[index], limit) for index, limit in limits.items()]
        self._latest: dict[str, Tensor] = {}

    def __call__(self, images: Tensor) -> Tensor:
        if not isinstance(self.reward, RewardMix):
            return self.reward(images, self.prompts)
        total, self._latest = self.reward.forward_with_parts(images, self.prompts)
        return total

    def read(self, step: Step, pictures: KeptImages) -> str | None:
        """Note the parts of the last evaluation; returns why a watched reward ends the run, if one does.

        pictures: with this step's in it; see `WatchedReward.read` for what happens to them.
        """
        for name, scores in self._latest.items():
            self.parts.setdefault(name, []).append(scores.float().cpu())
        for watched in self._watched:
            reason = watched.read(self.parts[watched.name][-1], step, pictures)
            if reason:
                return reason
        return None
