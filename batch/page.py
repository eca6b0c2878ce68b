"""The page of a batch: one HTML file beside its pictures, which needs no network."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

from .ranking import Picture, Ranked

PARTS = Path(__file__).with_name("page_parts")


def page(found: Ranked, settings: dict[str, Any], running: bool = False) -> str:
    """The HTML. settings: batch.json. running: more pictures are to come."""
    kept = found.kept(settings["keep"])
    data = {
        # Favourites belong to the batch, wherever its folder is moved.
        "id": f"{settings['workflow']} {settings['jobs'][0][0]}",
        "rewards": found.rewards,
        "prompts": settings["rows"],
        "pictures": [_shown(picture) for picture in kept],
        "failed": found.failed,
    }
    texts = {
        "title": settings["workflow"].removesuffix(".json"),
        "status": _status(found, len(kept), running),
        "running": "running" if running else "",
    }
    made = (PARTS / "page.html").read_text(encoding="utf-8")
    for name, text in texts.items():
        made = made.replace(f"{{{name}}}", html.escape(text))
    for name in ("css", "js"):
        made = made.replace(f"{{page.{name}}}", (PARTS / f"page.{name}").read_text(encoding="utf-8"))
    # Within a script element only "</" and "<!--" could end it; as JSON escapes they mean the same.
    return made.replace("{data}", json.dumps(data, ensure_ascii=False).replace("<", "\\u003c"))


def _shown(picture: Picture) -> dict[str, Any]:
    return {
        "row": picture.row,
        "seed": picture.seed,
        "file": picture.file,
        "thumbnail": picture.thumbnail,
        "start": picture.start,
        "startThumbnail": picture.start_thumbnail,
        "noise": picture.noise,
        "workflow": picture.workflow,
        "scores": picture.scores,
        "startScores": picture.start_scores,
        "curve": picture.curve,
        "seconds": picture.seconds,
    }


def _status(found: Ranked, kept: int, running: bool) -> str:
    parts = [f"{kept} pictures", f"{found.done} of {found.total} jobs"]
    if found.failed:
        parts.append(f"{len(found.failed)} set aside")
    if running:
        parts.append("still running: reload for more")
    return ", ".join(parts)
