"""Where Learn Taste keeps a taste: in `models/reward_models`, where the Reward Model Loader lists it."""

import os

import folder_paths
from safetensors import SafetensorError
from torch import Tensor

from ...reward_models import inspect_reward_file
from ...reward_models.taste import save_taste
from ...reward_models.taste.head import TasteHead
from ...runs.whole_files import written_whole
from ..inputs.file_names import shown, windows_problem
from .reward_files import FOLDER

EXTENSION = ".safetensors"
MOST_BYTES = 200  # of a name, with room for the extension on every file system


def name_problem(name: str) -> str | None:
    """Why no taste can be kept under this name, and what to do, in one line; None if it can, or it is blank.

    What Windows cannot write is refused everywhere: tastes are passed on.
    """
    name = name.strip()
    if not name:
        return None
    if any(ord(character) < 32 or "\ud800" <= character <= "\udfff" for character in name):
        return f"save_as is {shown(name)}, and a file's name holds no such character: remove it."
    if "/" in name or "\\" in name or name.startswith("."):
        return f"save_as is {shown(name)}: give a plain name, without a folder and without a dot in front."
    if problem := windows_problem(name + EXTENSION):
        return f"save_as {problem}"
    if len(name.encode()) > MOST_BYTES:
        return f"save_as has {len(name.encode())} bytes, which is too long for a file: shorten it."
    path = taste_path(name)
    if os.path.lexists(path) and not _is_taste(path):
        return f"save_as: {shown(name)}{EXTENSION} in models/{FOLDER} is no taste, and stays: choose another name."
    return None


def taste_path(name: str) -> str:
    return os.path.join(folder_paths.get_folder_paths(FOLDER)[0], name.strip() + EXTENSION)


def keep_taste(name: str, head: TasteHead, signature: Tensor, encoder: str, report: str) -> None:
    """Write the taste; one of the same name is replaced.

    Raises:
        ValueError: `name_problem`.
        OSError: the folder cannot be written to.
    """
    problem = name_problem(name)
    if problem:
        raise ValueError(problem)
    path = taste_path(name)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with written_whole(path) as partial:
            save_taste(partial, head, signature, encoder, report)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OSError(f"The taste cannot be kept as {path} ({reason}): leave save_as empty.") from error


def _is_taste(path: str) -> bool:
    try:
        return inspect_reward_file(path).description.startswith("taste")
    except (ValueError, OSError):
        return False
