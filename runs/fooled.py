"""The sign that a reward is fooled: it goes beyond what plain seeds reach, and a watched reward does not follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..optimization import RunRecord, Step
from ..optimization.record import Best
from ..optimization.selection import select
from .plain_seeds import PlainSeeds


@dataclass(frozen=True)
class Suspicion:
    """That the best noise of some pictures is likely the best by fooling the target.

    Attributes:
        step: from which step of the ascent on, in the first of these pictures.
        pictures: (B,) bool, which ones.
        watched: the names of those that did not follow.
        sound: for each picture the best noise from before; for one that is not suspected its best.
    """

    step: int
    pictures: Tensor
    watched: tuple[str, ...]
    sound: Best

    def text(self, target: str, kept: str) -> str:
        """In words. target: the name of what was climbed. kept: a sentence on where `sound` is."""
        which = ", ".join(str(i + 1) for i in self.pictures.nonzero().flatten().tolist())
        of_batch = f" (picture {which})" if len(self.pictures) > 1 else ""
        return (
            f"Likely fooled from step {self.step} on{of_batch}: {target} went far beyond what plain seeds reach, and "
            f"{' and '.join(self.watched)}, which only watched, did not follow. {kept}"
        )


class FooledWatch:
    """Follows a run of which some rewards are only watched.

    A noise is suspected when its target is beyond the reach of plain seeds, better than the best of `REACH` times as
    many as were scored, while a watched reward is no higher than when the target last was within reach: what the target
    has gained since then, the watched one has not seen. As long as the target is within reach nothing is suspected,
    however a watched reward falls, and nothing is in a run without plain seeds enough.

    Args:
        target: the name of what is climbed.
        watched: the names of the rewards that are only watched.
        plain: the seeds by which the reach is known.
    """

    def __init__(self, target: str, watched: Sequence[str], plain: PlainSeeds):
        self.target = target
        self.watched = tuple(watched)
        self.plain = plain
        self._within_reach: dict[str, Tensor] = {}
        self._since: Tensor | None = None
        self._best: _Best | None = None
        self._sound: Best | None = None

    def read(self, scores: Mapping[str, Tensor], step: Step) -> None:
        """Look at the scores (B,) of a step by name, float32 on the CPU; seeds that are tried first are passed over."""
        record = step.record
        if not self.watched or step.index < record.ascent_start:
            return
        if self._sound is None:
            nobody = torch.zeros(scores[self.target].shape, dtype=torch.bool)
            self._since = torch.full(nobody.shape, -1)
            self._best = _Best(record.best_step, self._since, dict.fromkeys(self.watched, nobody))
            self._within_reach, self._sound = {name: scores[name] for name in self.watched}, record.best
            return
        equivalents = self.plain.equivalents(self.target, scores[self.target].tolist())
        beyond = torch.tensor([e is not None and e.number is None for e in equivalents])
        behind = {name: beyond & (scores[name] <= self._within_reach[name]) for name in self.watched}
        suspected = torch.stack(list(behind.values())).any(0)
        for name, before in self._within_reach.items():
            self._within_reach[name] = torch.where(~beyond & scores[name].isfinite(), scores[name], before)
        self._since = torch.where(suspected, self._since.where(self._since >= 0, record.steps), -1)
        self._best = self._best.improved(step, self._since, behind)
        if (step.improved & ~suspected).any():
            self._sound = _chosen(step.improved & ~suspected, record.best, self._sound)

    def since(self, record: RunRecord) -> int | None:
        """From which step on the best noises in the record are suspected; None where they are not.

        As after a run went back to an earlier best.
        """
        pictures = self._suspected(record)
        return int(self._best.since[pictures].min()) if pictures.any() else None

    def suspicion(self, record: RunRecord) -> Suspicion | None:
        """What is suspected of the best noises in the record; None for nothing."""
        since, pictures = self.since(record), self._suspected(record)
        if since is None:
            return None
        return Suspicion(
            since,
            pictures,
            tuple(name for name, behind in self._best.behind.items() if (behind & pictures).any()),
            _chosen(pictures, self._sound, record.best),
        )

    def _suspected(self, record: RunRecord) -> Tensor:
        if self._best is None:
            return torch.zeros(record.best_step.shape, dtype=torch.bool)
        return (self._best.since >= 0) & (self._best.step == record.best_step)


@dataclass(frozen=True)
class _Best:
    """Each picture's best noise.

    Attributes:
        step: (B,) its evaluation.
        since: (B,) the first step of the suspected ones in a row, of which it is one; -1 where it is not suspected.
        behind: (B,) bool by name, which watched rewards did not follow.
    """

    step: Tensor
    since: Tensor
    behind: dict[str, Tensor]

    def improved(self, step: Step, since: Tensor, behind: Mapping[str, Tensor]) -> _Best:
        better = step.improved
        return _Best(
            step.record.best_step,
            torch.where(better, since, self.since),
            {name: torch.where(better, of_step, self.behind[name]) for name, of_step in behind.items()},
        )


def _chosen(pictures: Tensor, best: Best, other: Best) -> Best:
    """`best` of the marked pictures (B,), `other` of the rest, on the device of `other`."""
    return Best(
        select(pictures, best.noise.to(other.noise), other.noise),
        torch.where(pictures, best.reward, other.reward),
        torch.where(pictures, best.step, other.step),
    )
