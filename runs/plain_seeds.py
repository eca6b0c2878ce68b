"""The scores of plain seeds that a run has met: what chance alone gives of its model, prompt and rewards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .seed_equivalent import SeedEquivalent, seed_equivalent


class PlainSeeds:
    """Scores of noises that were drawn and not changed, by reward, for each picture its own.

    Pictures of a batch are not put together: from a batch of latents, masks or prompts each has its own distribution.

    Args:
        evaluations: how many of the run's first ones are of plain seeds.
        given: (B,) bool, the pictures whose start noise no seed draws, such as an optimized one; None for none.
    """

    def __init__(self, evaluations: int = 0, given: Tensor | None = None):
        self.evaluations = evaluations
        self._given = given
        self._scores: dict[str, list[Tensor]] = {}

    def add(self, scores: Mapping[str, Tensor]) -> None:
        """Take in those of one more seed of each picture: (B,) by the name of the reward, float32 on the CPU."""
        for name, of_reward in scores.items():
            self._scores.setdefault(name, []).append(of_reward)

    def read(self, evaluation: int, scores: Mapping[str, Tensor]) -> None:
        """Take in the scores of an evaluation of the run, if it is one of plain seeds."""
        if evaluation >= self.evaluations:
            return
        if evaluation == 0 and self._given is not None:
            scores = {name: of_reward.masked_fill(self._given, torch.nan) for name, of_reward in scores.items()}
        self.add(scores)

    def equivalents(self, reward: str, scores: Sequence[float | None]) -> list[SeedEquivalent | None]:
        """Each picture's score of this reward as a number of seeds; None where nothing can be said of it."""
        if reward not in self._scores:
            return [None] * len(scores)
        plain = torch.stack(self._scores[reward])
        return [
            None if score is None else seed_equivalent(score, plain[:, picture]) for picture, score in enumerate(scores)
        ]
