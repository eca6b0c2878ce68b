"""Everything in the folder of a batch that is made from its results, and can be made again."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from .contact_sheet import contact_sheet
from .page import page
from .ranking import Ranked, ranked
from .results import SETTINGS, Results
from .tables import csv_text, jsonl

PAGE, CSV, JSONL, SHEET = "index.html", "results.csv", "results.jsonl", "contact_sheet.png"
SECONDS_BETWEEN_PAGES = 15
SHARE_OF_TIME = 0.02  # at most, that goes into pages while jobs run


def read_settings(folder: Path) -> dict[str, Any]:
    """batch.json. Raises ValueError where it is damaged."""
    try:
        return json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder / SETTINGS} cannot be read: {error}; run the batch's command again") from error


def write_page(results: Results, settings: dict[str, Any], running: bool = False) -> Ranked:
    """Write the page and the tables."""
    found = ranked(results, settings)
    results.write_text(results.folder / PAGE, page(found, settings, running))
    results.write_text(results.folder / CSV, csv_text(found))
    results.write_text(results.folder / JSONL, jsonl(found))
    return found


def write_report(results: Results, settings: dict[str, Any]) -> Ranked:
    """Write the page, the tables and the contact sheet."""
    found = write_page(results, settings)
    best = found.top(settings["top"], settings["keep"])
    if best:
        results.write_file(results.folder / SHEET, contact_sheet(results.folder, best, found.reward))
    return found


class GrowingPage:
    """Calling it brings the page up to date, when that is due and does not cost much."""

    def __init__(self, results: Results, settings: dict[str, Any]) -> None:
        self._results = results
        self._settings = settings
        self._due = time.monotonic() + 1
        self._shown = -1

    def __call__(self, done: int) -> None:
        """done: jobs that have a result."""
        if done == self._shown or time.monotonic() < self._due:
            return
        began = time.monotonic()
        write_page(self._results, self._settings, running=True)
        took = time.monotonic() - began
        self._shown, self._due = done, began + max(SECONDS_BETWEEN_PAGES, took / SHARE_OF_TIME)
