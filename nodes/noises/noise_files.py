"""Where noise files are found: ComfyUI's `input`, `output/noises`, and what extra_model_paths.yaml calls noises."""

import filecmp
import os
import time

import folder_paths

from ..inputs.file_names import shown, windows_problem

FOLDER = "noises"
EXTENSION = ".safetensors"
MOST_NAME, MOST_PATH = 255, 3800  # what the usual file systems take; the path leaves room for the name
NO_FILE = "(no noise in input or output/noises)"
TOKENS = {"year": "%Y", "month": "%m", "day": "%d", "hour": "%H", "minute": "%M", "second": "%S"}


def register_folder() -> None:
    """Make the folders known; paths from `extra_model_paths.yaml` stay."""
    for path in (save_folder(), folder_paths.get_input_directory()):
        folder_paths.add_model_folder_path(FOLDER, path)
    folder_paths.folder_names_and_paths[FOLDER][1].add(EXTENSION)


def save_folder() -> str:
    return os.path.join(folder_paths.get_output_directory(), FOLDER)


def noise_file_names() -> list[str]:
    return folder_paths.get_filename_list(FOLDER) or [NO_FILE]


def prefix_problem(prefix: str) -> str | None:
    """Why no file can be named like `prefix`, and what to do, in one line; None if one can, as far as can be told."""
    wrong = [character for character in prefix if ord(character) < 32 or "\ud800" <= character <= "\udfff"]
    if wrong:
        return f"filename_prefix holds the character {wrong[0]!r}, which a file name cannot hold: remove it."
    path = _filled_in(prefix)
    if os.name == "nt" and (problem := windows_problem(path + _counted(1))):
        return f"filename_prefix {problem}"
    inside, name = os.path.split(path)
    folder, target = os.path.realpath(save_folder()), os.path.realpath(os.path.join(save_folder(), inside))
    if target != folder and not target.startswith(folder + os.sep):
        return (
            f"filename_prefix is {shown(prefix)}, which leads outside the output folder: name a folder inside "
            f"{save_folder()}, such as portraits/noise."
        )
    longest = max([*inside.split(os.sep), name + _counted(99999)], key=_length)
    if _length(longest) > MOST_NAME or _length(target) > MOST_PATH:
        return f"filename_prefix makes a name of {_length(longest)} bytes, which is too long for a file: shorten it."
    while target != folder:
        if os.path.lexists(target) and not os.path.isdir(target):
            return f"filename_prefix names the folder {target}, but that is a file: choose another folder."
        target = os.path.dirname(target)
    return None


def new_file(prefix: str) -> tuple[str, str, str]:
    """Folder (made if need be), its path inside `save_folder`, and a name that no file has yet.

    Raises:
        ValueError: there can be no such file.
        OSError: the folder cannot be made.
    """
    problem = prefix_problem(prefix)
    if problem:
        raise ValueError(problem)
    try:
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(_filled_in(prefix), save_folder())
    except OSError as error:
        raise OSError(
            f"No noise can be kept in {save_folder()} under filename_prefix {shown(prefix)} ({error.strerror}): "
            "choose another one."
        ) from error
    # ComfyUI counts the names that are spelled alike; some file systems take others for the same.
    while os.path.lexists(os.path.join(folder, name + _counted(counter))):
        counter += 1
    return folder, subfolder, name + _counted(counter)


def _filled_in(prefix: str) -> str:
    """The path that it stands for: ComfyUI's tokens filled in here, so that what is checked is what is written."""
    now = time.localtime()
    for token, form in TOKENS.items():
        prefix = prefix.replace(f"%{token}%", time.strftime(form, now))
    return os.path.normpath(prefix.replace("%width%", "0").replace("%height%", "0"))


def _counted(counter: int) -> str:
    return f"_{counter:05}_{EXTENSION}"


def _length(name: str) -> int:
    """As file systems count: bytes, on Windows characters."""
    return len(name) if os.name == "nt" else len(os.fsencode(name))


def noise_path(name: str) -> str:
    """Full path of a listed noise file.

    Raises:
        FileNotFoundError: it is in no folder.
        ValueError: nothing was chosen, or two folders hold different files of this name.
    """
    if name == NO_FILE:
        raise ValueError(
            f"There is no noise yet: save one with Save Noise, or put one into {folder_paths.get_input_directory()}, "
            "and press R."
        )
    first = folder_paths.get_full_path(FOLDER, name)
    if first is None:
        raise FileNotFoundError(
            f"The noise {shown(name)} is neither in {folder_paths.get_input_directory()} nor in {save_folder()}: put "
            "it there, or choose another one (press R to see new files)."
        )
    # Names that Save Noise counts up are alike on every computer, so a noise from a friend may meet one's own.
    for other in _same_name(name):
        if not filecmp.cmp(first, other, shallow=False):
            raise ValueError(f"Two different noises have the name {name}, {first} and {other}: rename one of them.")
    return first


def _same_name(name: str) -> list[str]:
    inside = os.path.relpath(os.path.join("/", name), "/")  # as folder_paths does, so that ".." leads nowhere
    paths = (os.path.join(folder, inside) for folder in folder_paths.get_folder_paths(FOLDER))
    return [path for path in paths if os.path.isfile(path)]
