"""The one line that tells how far a batch is."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

SECONDS_BETWEEN_LINES = 30  # where lines cannot be written over


class Progress:
    """total: jobs in all. done: those that had a result before. out: where the line goes."""

    def __init__(self, total: int, done: int, out: TextIO = sys.stdout) -> None:
        self.total = total
        self.before = done
        self.done = done
        self.failed = 0
        self.pictures = 0  # made now
        self.best: tuple[float, str] | None = None
        self._out = out
        self._started: float | None = None
        self._shown = ""
        self._written = float("-inf")

    def began(self) -> None:
        """The first job runs: from here on the rate counts."""
        self._started = self._started or time.monotonic()

    def add(self, record: dict[str, Any]) -> None:
        """Count a job that has just been finished."""
        self.done += 1
        self.pictures += len(record["pictures"])
        self.look_at(record)

    def look_at(self, record: dict[str, Any]) -> None:
        """Look for the best picture, by the reward that a job's pictures are ranked by."""
        for picture in record["pictures"]:
            score = next(iter(picture["scores"].values()), None)
            if score is not None and (self.best is None or score > self.best[0]):
                self.best = (score, f"{record['label'][:30]!r}, seed {record['seed']}")

    def line(self, running: int) -> str:
        parts = [f"{self.done} of {self.total} done", f"{self.failed} failed", f"{running} running"]
        now = self.done - self.before
        if now and self._started is not None:
            seconds = time.monotonic() - self._started
            parts.append(f"{self.pictures / seconds * 3600:.0f} pictures an hour")
            parts.append(f"{duration((self.total - self.done - self.failed) * seconds / now)} left")
        if self.best:
            parts.append(f"best {self.best[0]:.4g} ({self.best[1]})")
        return ", ".join(parts)

    def show(self, running: int, at_once: bool = False) -> None:
        """Write the line: over itself on a terminal, else now and then."""
        text = self.line(running)
        if self._out.isatty():
            if text != self._shown:
                self._out.write(f"\r\x1b[K{text}")
        elif at_once or time.monotonic() - self._written >= SECONDS_BETWEEN_LINES:
            if text == self._shown:
                return
            self._out.write(f"{text}\n")
            self._written = time.monotonic()
        else:
            return
        self._shown = text
        self._out.flush()

    def end(self, running: int = 0) -> None:
        """Leave the line as it is now."""
        self.show(running, at_once=True)
        if self._out.isatty():
            self._out.write("\n")

    def say(self, text: str) -> None:
        """Write a line of its own; on a terminal the progress goes on below it."""
        if self._out.isatty():
            self._out.write("\r\x1b[K")
            self._shown = ""
        self._out.write(f"{text}\n")
        self._out.flush()


def duration(seconds: float) -> str:
    """In words: 40 s, 12 min, 3 h 05 min, 2 d 4 h."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"
