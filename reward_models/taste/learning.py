"""From embeddings of liked and other pictures to a head, and to an honest guess how much it has learned."""

from __future__ import annotations

import torch
from torch import Tensor

from .head import TasteHead, single_head
from .held_out import HeldOut, held_out_pairs
from .lesson import Lesson
from .logistic import fit_logistic

HEADS = 16
GUARD_SHARE = 0.25  # of what is not liked, where disliked pictures were named: the weight of the broken copies
CAUTION = 1.0


def learn(lesson: Lesson, caution: float = CAUTION) -> tuple[TasteHead, HeldOut]:
    """Learn a taste. The same lesson gives the same head.

    Args:
        lesson: at least `pictures.LEAST` liked pictures, and as many disliked ones or none.
        caution: how much the disagreement of the heads counts against a picture; see `TasteHead`.

    Returns:
        The head, and how well heads learned in the same way did on pictures that they had not seen.
    """
    with torch.inference_mode(False), torch.no_grad():
        generator = torch.Generator().manual_seed(0)
        draws = [_weights(lesson, _counts(lesson, generator)) for _ in range(HEADS)]
        centre, weight, bias = fit_logistic(_examples(lesson), _labels(lesson), draws)
        return TasteHead(centre, weight, bias, caution), held_out_pairs(lesson, learn_single)


def learn_single(lesson: Lesson) -> TasteHead:
    """One head from every picture of the lesson once: the mean of the heads of `learn`, in less time."""
    weights = _weights(lesson, torch.ones(len(_labels(lesson)), dtype=torch.float64))
    centre, weight, bias = fit_logistic(_examples(lesson), _labels(lesson), [weights])
    return single_head(centre, weight[0], bias[0])


def _examples(lesson: Lesson) -> Tensor:
    return torch.cat([lesson.liked, lesson.disliked, lesson.broken])


def _labels(lesson: Lesson) -> Tensor:
    labels = torch.zeros(len(lesson.liked) + len(lesson.disliked) + len(lesson.broken), dtype=torch.bool)
    labels[: len(lesson.liked)] = True
    return labels


def _counts(lesson: Lesson, generator: torch.Generator) -> Tensor:
    """How often each example comes up when each kind is drawn with replacement as often as it has examples."""
    counts = []
    for kind in (lesson.liked, lesson.disliked, lesson.broken):
        drawn = torch.randint(max(len(kind), 1), (len(kind),), generator=generator)
        counts.append(torch.bincount(drawn, minlength=len(kind))[: len(kind)])
    return torch.cat(counts).double()


def _weights(lesson: Lesson, counts: Tensor) -> Tensor:
    """Liked pictures weigh as much as all others together, however many there are of each."""
    kinds = [len(lesson.liked), len(lesson.disliked), len(lesson.broken)]
    total = float(kinds[0] + (kinds[1] or kinds[0]))
    guard = GUARD_SHARE if kinds[1] else 1.0
    shares = (0.5, 0.5 * (1 - guard), 0.5 * guard)
    parts = [
        part * (share * total / max(float(part.sum()), 1.0))
        for part, share in zip(counts.split(kinds), shares, strict=True)
    ]
    return torch.cat(parts)
