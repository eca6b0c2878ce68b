"""Which files of the checkout make up the registry archive, and the archive itself.

python -m tools.archive PACK.zip
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEVER_SHIPPED = {"__pycache__", "batch_output", "demo_output", "benchmark_results"}


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
    excluded = left_out(root) | NEVER_SHIPPED | {".git"}  # in a worktree a file
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


def build_archive(file: Path, root: Path = ROOT) -> None:
    """Write what ships from `root` into the new zip `file`, as the registry hands it out."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for shipped in shipped_files(root):
            archive.write(root / shipped, shipped.as_posix())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.archive", description="Build the archive of the pack.")
    parser.add_argument("file", type=Path, help="the zip to write")
    file = parser.parse_args().file
    build_archive(file)
    print(f"{file}: {len(shipped_files())} files, {file.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
