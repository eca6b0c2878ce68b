"""Where reward models are found: `models/reward_models` and, for backbones, `models/clip_vision`."""

import logging
import os
from functools import lru_cache

import folder_paths

from ...demo_world import asset_path
from ...reward_models import inspect_reward_file
from ..inputs.file_names import shown

log = logging.getLogger(__name__)

FOLDER = "reward_models"
BACKBONE_FOLDERS = (FOLDER, "clip_vision")
EXTENSIONS = {".safetensors", ".sft", ".pt", ".pth", ".bin"}
NO_FILE = f"(no file in models/{FOLDER})"
NO_BACKBONE = "none"
NO_ENCODER = "(no file in models/clip_vision)"
DEMO_ENCODER = "demo world"  # comes with the pack, and knows its little landscapes and nothing else
LARGEST_HEAD = 64_000_000  # bytes; the published ones have 4 million, the smallest published encoder 175 million


def register_folder() -> None:
    """Make `models/reward_models` known; paths from `extra_model_paths.yaml` stay."""
    path = os.path.join(folder_paths.models_dir, FOLDER)
    folder_paths.add_model_folder_path(FOLDER, path)
    folder_paths.folder_names_and_paths[FOLDER][1].update(EXTENSIONS)
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:  # a read-only installation can still use extra_model_paths.yaml
        log.info("models/%s could not be created: %s", FOLDER, error)


def reward_file_names() -> list[str]:
    return folder_paths.get_filename_list(FOLDER) or [NO_FILE]


def backbone_names() -> list[str]:
    """Backbones to choose from, as `folder/file`."""
    return [NO_BACKBONE] + [
        f"{folder}/{name}" for folder in BACKBONE_FOLDERS for name in folder_paths.get_filename_list(folder)
    ]


def encoder_names() -> list[str]:
    """The backbones that can encode a reference picture, as `folder/file`: not the heads of aesthetic predictors."""
    return [name for name in backbone_names()[1:] if not _is_head(folder_paths.get_full_path(*name.split("/", 1)))]


def _is_head(path: str | None) -> bool:
    if path is None:  # a link that leads nowhere: choosing it says so
        return False
    try:
        file = os.stat(path)
        return file.st_size <= LARGEST_HEAD and _needs_backbone(path, file.st_mtime_ns)
    except (ValueError, OSError):  # unreadable: choosing it says why
        return False


@lru_cache
def _needs_backbone(path: str, modified: int) -> bool:
    return inspect_reward_file(path).needs_backbone


def reward_path(name: str) -> str:
    """Full path of a listed reward file.

    Raises:
        ValueError: nothing was chosen, or the file is gone.
    """
    if name == NO_FILE:
        raise ValueError(
            f"There is no reward model yet: put one into {folder_paths.get_folder_paths(FOLDER)[0]} and press R. "
            "The node's help lists where to get them."
        )
    return _existing(FOLDER, name)


def backbone_path(name: str) -> str | None:
    """Full path of a listed backbone, None for "none".

    Raises:
        ValueError: another folder, or a file that is gone.
    """
    if name == NO_BACKBONE:
        return None
    if name == NO_ENCODER:
        raise ValueError("There is no CLIP or SigLIP yet: put one into models/clip_vision and press R.")
    if name == DEMO_ENCODER:
        return str(asset_path("encoder"))
    folder, _, file = name.partition("/")
    if folder not in BACKBONE_FOLDERS:
        places = " or ".join(BACKBONE_FOLDERS)
        raise ValueError(f"The backbone {shown(name)} is not in {places}: choose one from the list.")
    return _existing(folder, file)


def _existing(folder: str, name: str) -> str:
    # ComfyUI lists links without looking where they lead, and a file may go while its prompt waits in the queue.
    path = folder_paths.get_full_path(folder, name)
    if path is None:
        raise ValueError(
            f"{shown(name)} is not in models/{folder} any more, or is a link that leads nowhere: put the file back, or "
            "press R and choose another."
        )
    return path


def modification_times(*paths: str | None) -> list[tuple[str, float]]:
    """Files and what may lie beside them (configuration, vocabulary) with their times, to notice a change."""
    candidates = []
    for path in filter(None, paths):
        folder, stem = os.path.dirname(path), os.path.splitext(path)[0]
        candidates += [path, f"{stem}.json", os.path.join(folder, "config.json"), os.path.join(folder, "vocab.txt")]
    return [(path, os.path.getmtime(path)) for path in candidates if os.path.exists(path)]
