"""results.csv and results.jsonl: a line for each picture."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from .ranking import Picture, Ranked


def jsonl(ranked: Ranked) -> str:
    """Every picture as JSON, with scores by reward and what the job set."""
    return "".join(json.dumps(_known(picture), ensure_ascii=False) + "\n" for picture in ranked.pictures)


def _known(picture: Picture) -> dict[str, Any]:
    return {
        "prompt_number": picture.row + 1,
        "prompt": picture.prompt,
        "seed": picture.seed,
        "rank": picture.rank,
        "scores": picture.scores,
        "start_scores": picture.start_scores,
        "picture": picture.file,
        "start": picture.start,
        "noise": picture.noise,
        "seconds": picture.seconds,
        "set": picture.changes,
        "key": picture.key,
    }


def csv_text(ranked: Ranked) -> str:
    """The same as a table, with a column for each reward, for that of the start, and for each input that is set."""
    changed = list(dict.fromkeys(name for picture in ranked.pictures for name in picture.changes))
    plain = ["prompt_number", "prompt", "seed", "rank"]
    files = ["picture", "start", "noise", "seconds", "key"]
    written = io.StringIO(newline="")
    table = csv.writer(written)
    starts = [name for name in ranked.rewards if any(name in picture.start_scores for picture in ranked.pictures)]
    table.writerow([*plain, *ranked.rewards, *(f"{name} at the start" for name in starts), *files, *changed])
    for picture in ranked.pictures:
        known = _known(picture)
        scores = [picture.scores.get(name) for name in ranked.rewards]
        scores += [picture.start_scores.get(name) for name in starts]
        values = [picture.changes.get(name) for name in changed]
        table.writerow([*(known[name] for name in plain), *scores, *(known[name] for name in files), *values])
    return written.getvalue()
