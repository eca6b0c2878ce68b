"""How well a taste tells pictures that it was not learned from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .lesson import Lesson

FOLDS = 5
FEW = 100  # pictures: the folds of so few are drawn four times, so that the estimate hangs less on the draw
_Z = 1.959964  # of a 95% interval
CHANCE = 0.5


@dataclass(frozen=True)
class HeldOut:
    """Of a liked picture and another one, neither seen in learning, the share of pairs with the liked one ahead.

    Attributes:
        share: of the pairs, 0.5 is chance; ties count half.
        low, high: its 95% interval.
        against_disliked: whether the others are disliked pictures, not broken copies of the liked ones.
    """

    share: float
    low: float
    high: float
    against_disliked: bool

    @property
    def is_chance(self) -> bool:
        """Whether the interval reaches down to chance."""
        return self.low <= CHANCE


def held_out_pairs(lesson: Lesson, learn: Callable[[Lesson], nn.Module]) -> HeldOut:
    """Learn from four fifths of the pictures, compare pairs of the other fifth, five times over.

    Pairs are formed within a fold only. The scores of different folds come from different heads; compared across, they
    would be biased against the taste, since what is held out is missing from its own class's mean.

    Args:
        lesson: what a taste is learned from.
        learn: lesson -> head, (B, D) -> (B,).
    """
    generator = torch.Generator().manual_seed(0)
    rounds = 4 if len(lesson.liked) + len(lesson.disliked) <= FEW else 1
    against_disliked = len(lesson.disliked) > 0
    won, pairs = 0.0, 0
    for _ in range(rounds):
        fold_of_liked, fold_of_disliked = (_folds(len(kind), generator) for kind in (lesson.liked, lesson.disliked))
        for fold in range(FOLDS):
            out, disliked_out = fold_of_liked == fold, fold_of_disliked == fold
            copies_out = out[lesson.source]
            others = lesson.disliked[disliked_out] if against_disliked else lesson.broken[copies_out]
            head = learn(_kept(lesson, ~out, ~disliked_out))
            ahead = head(lesson.liked[out])[:, None] - head(others)[None]
            won += float((ahead > 0).sum() + 0.5 * (ahead == 0).sum())
            pairs += ahead.numel()
    share = won / pairs
    counts = len(lesson.liked), len(lesson.disliked) if against_disliked else len(lesson.liked)
    return HeldOut(share, *interval(share, *counts), against_disliked)


def interval(share: float, liked: int, others: int) -> tuple[float, float]:
    """The 95% interval of a share of pairs (the area under the ROC curve), from so many pictures.

    All t with |share - t| <= z se(t). Newcombe, "Confidence intervals for an effect size measure based on the
    Mann-Whitney statistic, part 2", Statistics in Medicine 25, 2006, method 5. It is not empty for a share of 1.
    """
    middle = (liked + others) / 2 - 1

    def outside(t: float) -> bool:
        spread = 1 + middle * (1 - t) / (2 - t) + middle * t / (1 + t)
        return abs(share - t) > _Z * (t * (1 - t) * spread / (liked * others)) ** 0.5

    return _edge(share, 0.0, outside), _edge(share, 1.0, outside)


def _edge(inside: float, end: float, outside: Callable[[float], bool]) -> float:
    """Where `outside` begins on the way from `inside` to `end`."""
    if not outside(end):
        return end
    for _ in range(50):
        between = (inside + end) / 2
        if outside(between):
            end = between
        else:
            inside = between
    return inside


def _folds(count: int, generator: torch.Generator) -> Tensor:
    """(count,): the fold of each picture, of equal sizes up to one."""
    return (torch.arange(count) % FOLDS)[torch.randperm(count, generator=generator)]


def _kept(lesson: Lesson, liked: Tensor, disliked: Tensor) -> Lesson:
    """Without what is held out, copies included."""
    copies = liked[lesson.source]
    number = liked.cumsum(0) - 1
    return Lesson(lesson.liked[liked], lesson.disliked[disliked], lesson.broken[copies], number[lesson.source[copies]])
