"""Where ComfyUI is on this machine, and what it requires. Standard library only: run.py starts from here."""

from __future__ import annotations

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINNED_HERE = {"torch", "torchvision", "torchaudio"}  # by requirements-dev.txt


def find_comfyui() -> list[Path]:
    """Return the ComfyUI folders to work with, oldest version first.

    Those that COMFYUI_PATH names (several: separated as in PATH); if it is not set, the ComfyUI that this
    checkout is a custom node of; else ~/ComfyUI; else none.

    Raises:
        ValueError: COMFYUI_PATH names a folder that is no ComfyUI.
    """
    named = os.environ.get("COMFYUI_PATH")
    if not named:
        installs = [path for path in (ROOT.parent.parent, Path.home() / "ComfyUI") if is_comfyui(path)][:1]
    else:
        installs = [Path(path).expanduser().resolve() for path in named.split(os.pathsep) if path]
        for path in installs:
            if not is_comfyui(path):
                raise ValueError(
                    f"COMFYUI_PATH names {path}, which is no ComfyUI folder (no main.py beside comfy/). "
                    "Correct it, or unset it to work without ComfyUI."
                )
    return sorted(installs, key=lambda path: [int(part) for part in re.findall(r"\d+", version_text(path))])


def newest_comfyui() -> Path:
    """Return the newest of `find_comfyui`.

    Raises:
        ValueError: there is none.
    """
    installs = find_comfyui()
    if not installs:
        raise ValueError("no ComfyUI was found: set COMFYUI_PATH to a ComfyUI folder")
    return installs[-1]


def is_comfyui(path: Path) -> bool:
    """Tell whether a folder is a checkout or an archive of ComfyUI."""
    return (path / "main.py").is_file() and (path / "comfy").is_dir()


def version_text(comfyui: Path) -> str:
    """Return the version that a ComfyUI folder states, "unknown" where it states none."""
    file = comfyui / "comfyui_version.py"
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    found = re.search(r'__version__ *= *"(.+?)"', text)
    return found.group(1) if found else "unknown"


def frontend_requirement(comfyui: Path) -> str:
    """Return the requirement of a ComfyUI folder that names its frontend, such as "...-package==1.39.14"."""
    lines = (comfyui / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return next(line.strip() for line in lines if line.startswith("comfyui-frontend-package"))


def merged_requirements(installs: list[Path]) -> list[str]:
    """Merge the requirements of ComfyUIs given oldest first: of each package the newest one's line.

    The torch packages are left out: replacing one would break the others.
    """
    lines = {}
    for comfyui in installs:
        for line in (comfyui / "requirements.txt").read_text(encoding="utf-8").splitlines():
            requirement = line.split("#")[0].strip()
            name = re.match(r"[\w.-]*", requirement).group().lower()
            if name and name not in PINNED_HERE:
                lines[name] = requirement
    return list(lines.values())
