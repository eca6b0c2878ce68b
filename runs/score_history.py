"""The scores of a run: every reward of a mix at every step, and watched rewards that end the run."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from ..optimization import RunRecord, Step
from ..reward_models import RewardMix, Spread
from .fooled import FooledWatch
from .kept_images import KeptImages
from .plain_seeds import PlainSeeds
from .scores_in_words import finite_or_none
from .seed_equivalent import SeedEquivalent
from .watched_reward import WatchedReward, WatchLimit


class ScoreHistory:
    """A reward as `ascend` wants it, images (B, 3, H, W) -> (B,), that remembers the parts of a mix.

    Args:
        reward: a reward model, or a mix of some.
        prompts: what the reward reads; None for one that reads no text.
        limits: by the position of a watched reward in the mix.
        plain: takes in the scores of the plain seeds that the run meets.

    Attributes:
        needs_spreads: whether its value means nothing before `measure`.
        about_spreads: the units of its value in words, empty without.
        typical_range: of its value.
        parts: per reward of the mix one (B,) tensor on the CPU for each evaluation; empty for a single reward.
        fooled: looks whether the rewards that are only watched follow.
    """

    def __init__(
        self,
        reward: nn.Module,
        prompts: str | Sequence[str] | None,
        limits: dict[int, WatchLimit],
        plain: PlainSeeds | None = None,
    ):
        self.reward = reward
        self.prompts = prompts
        self.plain = plain or PlainSeeds()
        self.parts: dict[str, list[Tensor]] = {}
        self._watched = [WatchedReward(reward.names[index], limit) for index, limit in limits.items()]
        mixed = zip(reward.names, reward.weights, strict=True) if isinstance(reward, RewardMix) else ()
        only_watched = [name for name, weight in mixed if weight == 0]
        self.fooled = FooledWatch(reward.name, only_watched, self.plain)
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

    def score_all(self, images: Tensor) -> dict[str, Tensor]:
        """The score (B,) of every reward of the mix by name, without gradients."""
        return self.reward.score_all(images, self.prompts)

    def measure(self, draws: Mapping[str, Tensor], finished: bool = True) -> None:
        """From now on count in units of the spread of the scores `draws` of plain seeds, (draws, B) by name.

        finished: whether the pictures were finished ones. Others score otherwise than what a seed gives in the end, so
        they are no plain seeds to compare the run with.
        """
        self._spreads = self.reward.spreads(draws)
        if finished:
            for parts in (dict(zip(draws, of_draw, strict=True)) for of_draw in zip(*draws.values(), strict=True)):
                self.plain.add({self.reward.name: self.reward.value(parts, self._spreads).float(), **parts})
        self.typical_range = self.reward.typical_range_in(self._spreads)
        listed = ", ".join(f"{name} {spread.deviation:.3g}" for name, spread in self._spreads.items())
        self.about_spreads = (
            f"Equal pull: {self.reward.name} counts how far each score is above the mean of other seeds, in units of "
            f"how much it differs between them ({listed})."
        )

    def best_in_seeds(self, record: RunRecord) -> list[SeedEquivalent | None]:
        """The best score of each picture as a number of the plain seeds that the run has met."""
        return self.plain.equivalents(self.reward.name, finite_or_none(record.best_reward))

    def read(self, step: Step, images: KeptImages) -> str | None:
        """Note the parts of the last evaluation; returns why a watched reward ends the run, if one does.

        images: with this step's in them; see `WatchedReward.read` for what happens to them.
        """
        for name, scores in self._latest.items():
            self.parts.setdefault(name, []).append(scores.float().cpu())
        scores = {self.reward.name: step.rewards, **{name: of_steps[-1] for name, of_steps in self.parts.items()}}
        self.plain.read(step.index, scores)
        self.fooled.read(scores, step)
        for watched in self._watched:
            reason = watched.read(self.parts[watched.name][-1], step, images)
            if reason:
                return reason
        return None
