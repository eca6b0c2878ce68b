"""What the page and the tables show: the pictures of a batch, ranked within each prompt."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from .job_run import WORKFLOW
from .results import FAILED, JOBS, Results


@dataclass(frozen=True)
class Picture:
    """One picture of one job. row: of the prompts file. rank: within its row, from 1. Paths are within the folder."""

    row: int
    prompt: str
    seed: int | None
    rank: int
    key: str
    file: str
    thumbnail: str
    start: str | None
    start_thumbnail: str | None
    noise: str | None
    workflow: str
    title: str
    scores: dict[str, float | None]
    start_scores: dict[str, float | None]
    curve: list[float | None]
    seconds: float
    changes: dict[str, Any]


@dataclass(frozen=True)
class Ranked:
    """pictures: in the order of the prompts file, best first. rewards: by name, the first one ranks. failed: keys."""

    pictures: list[Picture]
    rewards: list[str]
    done: int
    total: int
    failed: list[str]

    def kept(self, count: int) -> list[Picture]:
        """The best of each prompt."""
        return [picture for picture in self.pictures if picture.rank <= count]

    @property
    def reward(self) -> str | None:
        return self.rewards[0] if self.rewards else None

    def top(self, count: int, of_each: int) -> list[Picture]:
        """The best of what is kept of each prompt."""
        return sorted(self.kept(of_each), key=lambda picture: order(picture.scores.get(self.reward)))[:count]


def order(score: float | None) -> tuple[bool, float]:
    """A key that sorts the best first and what has no score last."""
    return (score is None, -(score or 0.0))


def ranked(results: Results, settings: dict[str, Any]) -> Ranked:
    """Read what there is. settings: batch.json."""
    rows = {key: row for key, row, _ in settings["jobs"]}
    records = list(results.records(list(rows)))
    firsts = Counter(record["rewards"][0] for record in records if record["rewards"])
    rewards = [name for name, _ in firsts.most_common()]
    rewards += list(dict.fromkeys(name for record in records for name in record["rewards"] if name not in rewards))
    by_row: dict[int, list[tuple[dict, dict]]] = {}
    for record in records:
        by_row.setdefault(rows[record["key"]], []).extend((record, picture) for picture in record["pictures"])
    pictures = []
    for row in sorted(by_row):
        best_first = sorted(by_row[row], key=lambda pair: order(pair[1]["scores"].get(rewards[0]) if rewards else None))
        pictures += [_picture(row, rank, *pair) for rank, pair in enumerate(best_first, 1)]
    failed = [key for key in rows if (results.folder / FAILED / f"{key}.txt").is_file()]
    return Ranked(pictures, rewards, len(records), len(rows), failed)


def _picture(row: int, rank: int, record: dict[str, Any], picture: dict[str, Any]) -> Picture:
    def path(name: str | None) -> str | None:
        return name and f"{JOBS}/{record['key']}/{name}"

    thumbnails = record["thumbnails"]
    start = picture["start"]
    return Picture(
        row=row,
        prompt=record["label"],
        seed=record["seed"],
        rank=rank,
        key=record["key"],
        file=path(picture["file"]),
        thumbnail=path(thumbnails.get(picture["file"], picture["file"])),
        start=path(start),
        start_thumbnail=path(thumbnails.get(start, start)),
        noise=path(picture["noise"]),
        workflow=path(WORKFLOW),
        title=picture["title"],
        scores=picture["scores"],
        start_scores=picture.get("start_scores", {}),
        curve=picture.get("curve", []),
        seconds=record["seconds"],
        changes=record["set"],
    )
