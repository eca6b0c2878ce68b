"""Which files of the checkout make up the registry archive."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEVER_SHIPPED = {"__pycache__", "demo_output"}


def left_out(root: Path = ROOT) -> set[str]:
    """Return the top-level names that `.comfyignore` leaves out of the archive.

    Raises:
        ValueError: a line is no plain top-level path; the registry would read it as a pattern for any depth.
    """
    lines = (root / ".comfyignore").read_text(encoding="utf-8").splitlines()
    paths = [line for line in lines if line and not line.startswith("#")]
    for path in paths:
        if not re.fullmatch(r"/[\w.-]+/?", path):
            raise ValueError(f".comfyignore holds {path!r}; write top-level paths as /name or /name/")
    return {path.strip("/") for path in paths}


def shipped_files(root: Path = ROOT) -> list[Path]:
    """Return the paths, relative to `root`, of what a user of the registry gets, sorted.

    Hidden folders such as `.git` and `.venv` and the bytecode caches do not ship either.
    """
    excluded = left_out(root) | NEVER_SHIPPED
    files = []
    for folder, folders, names in os.walk(root):
        top = Path(folder) == root
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and name not in NEVER_SHIPPED and not (top and name in excluded)
        ]
        files += [Path(folder, name).relative_to(root) for name in names if not (top and name in excluded)]
    return sorted(files)


def copy_archive(destination: Path, root: Path = ROOT) -> None:
    """Copy what ships from `root` to the new folder `destination`."""
    for file in shipped_files(root):
        target = destination / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / file, target)
