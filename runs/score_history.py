"""The scores of a run: every reward of a mix at every step, and watched rewards that end the run."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from ..optimization import Step
from ..reward_models import RewardMix, Spread
from .kept_images import KeptImages
from .watched_reward import WatchedReward, WatchLimit


class ScoreHistory:
    """A reward as `ascend` wants it, images (B, 3, H, W) -> (B,), that remembers the parts of a mix.

    Args:
        reward: a reward model, or a mix of some.
        prompts: what the reward reads; None for one that reads no text.
        limits: by the position of a watched reward in the mix.

    Attributes:
        needs_spreads: whether its value means nothing before `measure`.
        about_spreads: the units of its value in words, empty without.
        typical_range: of its value.
        parts: per reward of the mix one (B,) tensor on the CPU for each evaluation; empty for a single reward.
    """

    def __init__(self, reward: nn.Module, prompts: str | Sequence[str] | None, limits: dict[int, WatchLimit]):
        self.reward = reward
        self.prompts = prompts
        self.parts: dict[str, list[Tensor]] = {}
        self._watched = [WatchedReward(reward.names[index], limit) for index, limit in limits.items()]
        self._latest: dict[str, Tensor] = {}
        self._spreads: dict[str, Spread] | None = None
        self.needs_spreads = isinstance(reward, RewardMix) and reward.needs_spreads
        self.about_spreads = ""
        self.typical_range = reward.typical_range

    def __call__(self, images: Tensor) -> Tensor:
        if not isinstance(self.reward, RewardMix):
            return self.reward(images, self.prompts)
        total, self._latest = self.reward.forward_with_parts(images, self.prompts, self._spreads)
        return total

    def score_weighted(self, images: Tensor) -> dict[str, Tensor]:
        """The score (B,) of every reward of the mix that has a weight, by name, without gradients."""
        return self.reward.score_weighted(images, self.prompts)

    def measure(self, draws: Mapping[str, Tensor]) -> None:
        """From now on count in units of the spread of the scores `draws`, (draws, B) by name."""
        self._spreads = self.reward.spreads(draws)
        self.typical_range = self.reward.typical_range_in(self._spreads)
        listed = ", ".join(f"{name} {spread.deviation:.3g}" for name, spread in self._spreads.items())
        self.about_spreads = (
            f"Equal pull: {self.reward.name} counts how far each score is above the mean of other seeds, in units of "
            f"how much it differs between them ({listed})."
        )

    def read(self, step: Step, images: KeptImages) -> str | None:
        """Note the parts of the last evaluation; returns why a watched reward ends the run, if one does.

        images: with this step's in them; see `WatchedReward.read` for what happens to them.
        """
        for name, scores in self._latest.items():
            self.parts.setdefault(name, []).append(scores.float().cpu())
        for watched in self._watched:
            reason = watched.read(self.parts[watched.name][-1], step, images)
            if reason:
                return reason
        return None
