"""What a run left: the one object from which its report, its sheet and the history of its noise are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .plain_seeds import PlainSeeds
from .scores_in_words import finite_mean, finite_or_none
from .seed_equivalent import SeedEquivalent

if TYPE_CHECKING:
    from ..optimization import RunRecord
    from ..optimization.record import Best
    from .kept_images import KeptImages


@dataclass(frozen=True)
class RunResult:
    """A finished run, for people.

    Attributes:
        record: of the run.
        reward: the name of what was climbed.
        typical_range: of the rewards in the record.
        start: the start noise (B, C, ...).
        about: sentences on the method and its settings.
        parts: of each reward of a mix, by name, its scores (B,) per evaluation, float32 on the CPU; empty for a single
            reward.
        images: small ones of the start and of the best; None where none were kept.
        start_seeds: of the noise that each picture's steps began with, where seeds were tried first.
        plain: the scores of the plain seeds that the run met.
        warning: a sentence on what looks wrong; empty without.
    """

    record: RunRecord
    reward: str
    typical_range: tuple[float, float]
    start: Tensor
    about: str = ""
    parts: Mapping[str, Sequence[Tensor]] = field(default_factory=dict)
    images: KeptImages | None = None
    start_seeds: Sequence[int] = ()
    plain: PlainSeeds = field(default_factory=PlainSeeds)
    warning: str = ""

    @property
    def curves(self) -> dict[str, list[float | None]]:
        """Per reward, what was climbed first: the mean over the pictures at each step, None if none is finite.

        Seeds that were tried first are not in it, unless the run ended among them.
        """
        scores, begins = {self.reward: self.record.rewards, **self.parts}, self.record.ascent_start
        return {name: [finite_mean(of_step) for of_step in steps[begins:] or steps] for name, steps in scores.items()}

    @property
    def best_scores(self) -> dict[str, list[float | None]]:
        """Per reward, what was climbed first: the score of each picture at its best noise, None if not finite."""
        scores = {self.reward: finite_or_none(self.record.best_reward)}
        for name, steps in self.parts.items():
            at_best = [steps[step][picture] for picture, step in enumerate(self.record.best_step.tolist())]
            scores[name] = finite_or_none(torch.stack(at_best))
        return scores

    def gone_back(self, best: Best) -> RunResult:
        """The same run with an earlier best."""
        record = replace(self.record)
        record.go_back(best)
        return replace(self, record=record)

    @property
    def equivalents(self) -> dict[str, list[SeedEquivalent | None]]:
        """The `best_scores` as numbers of seeds, of the rewards of which something can be said."""
        found = {name: self.plain.equivalents(name, scores) for name, scores in self.best_scores.items()}
        return {name: of_pictures for name, of_pictures in found.items() if any(of_pictures)}
