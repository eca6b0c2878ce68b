"""The folder of a batch: every job's result in a folder of its own, as a whole or not at all.

batch.json          which jobs there are, in which order, and what they are about
jobs/KEY/           result.json and the files that it names
failed/KEY.txt      why a job was set aside, KEY.json: its workflow
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .jobs import Job

JOBS, FAILED, SETTINGS, RECORD = "jobs", "failed", "batch.json", "result.json"
PARTIAL = ".partial-"
LEAST_FREE = 1 << 20
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


class DiskFull(RuntimeError):
    """There is no room for the next result; the text says where and what to do."""


class Results:
    """folder: is made where it is missing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.largest = 0

    def prepare(self) -> None:
        """Make the folders, and remove what a killed process left half written."""
        with self._room():
            for name in (JOBS, FAILED):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob(f"{PARTIAL}*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep another batch out of the folder; a process that ends lets go of it, however it ends.

        Raises:
            ValueError: another batch is at work in it.
        """
        with open(self.folder / ".lock", "a+b") as file:
            try:
                if os.name == "nt":
                    import msvcrt

                    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                else:
                    import fcntl

                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ValueError(f"another batch writes into {self.folder}: wait, or name another --out") from None
            yield

    def done(self) -> set[str]:
        """The keys of the jobs that have a result."""
        return {path.name for path in (self.folder / JOBS).iterdir()}

    def write(self, job: Job, record: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
        """Keep a result, and return its record. One that is there already stays.

        Raises:
            DiskFull: nothing of it was kept.
        """
        kept = {"key": job.key, "label": job.label, "seed": job.seed, "set": job.values, **record}
        text = json.dumps(kept, indent=1, ensure_ascii=False).encode()
        partial = self.folder / f"{PARTIAL}{job.key}-{secrets.token_hex(4)}"
        place = self.folder / JOBS / job.key
        try:
            with self._room():
                partial.mkdir()
                for name, content in {**files, RECORD: text}.items():
                    _write_through(partial / name, content)
                if not place.exists():
                    os.rename(partial, place)
                    _sync_folder(place.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        self.largest = max(self.largest, len(text) + sum(map(len, files.values())))
        for suffix in (".txt", ".json"):  # of an earlier try
            (self.folder / FAILED / f"{job.key}{suffix}").unlink(missing_ok=True)
        return kept

    def set_aside(self, job: Job, workflow: dict[str, Any], errors: list[str]) -> Path:
        """Write down why a job failed; return the file."""
        file = self.folder / FAILED / f"{job.key}.txt"
        values = "\n".join(f"{name} = {value}" for name, value in job.values.items())
        tries = "\n\n".join(f"try {number}\n{error}" for number, error in enumerate(errors, 1))
        self.write_text(file, f"{job.about}\n\n{values}\n\n{tries}\n")
        self.write_text(file.with_suffix(".json"), json.dumps(workflow, indent=1))
        return file

    def write_text(self, file: Path, text: str) -> None:
        """Write a text as a whole. Raises DiskFull."""
        self.write_file(file, text.encode())

    def write_file(self, file: Path, content: bytes) -> None:
        """Write a file as a whole. Raises DiskFull."""
        partial = self.folder / f"{PARTIAL}{secrets.token_hex(4)}"
        try:
            with self._room():
                _write_through(partial, content)
                os.replace(partial, file)
        finally:
            partial.unlink(missing_ok=True)

    def check_room(self, jobs: int) -> None:
        """Raises DiskFull where there is no room for so many results of the largest size so far."""
        free = shutil.disk_usage(self.folder).free
        if free < LEAST_FREE + jobs * self.largest:
            raise self._full(f"{free / 1e6:.0f} MB are free")

    def records(self, keys: list[str]) -> Iterator[dict[str, Any]]:
        """What is known about those of the jobs that are done."""
        for key in keys:
            file = self.folder / JOBS / key / RECORD
            if file.is_file():
                yield json.loads(file.read_text(encoding="utf-8"))

    @contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in FULL:
                raise self._full(error.strerror) from error
            raise

    def _full(self, why: str) -> DiskFull:
        return DiskFull(
            f"the disk of {self.folder} is full ({why}): every finished result is kept; make room and run the same "
            "command again"
        )


def _write_through(file: Path, content: bytes) -> None:
    """Write and wait for the disk: a name must not come to stand for half a file."""
    with open(file, "wb") as written:
        written.write(content)
        written.flush()
        os.fsync(written.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name != "nt":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
