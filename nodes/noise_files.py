"""Where noise files are found: ComfyUI's ``input``, ``output/noises``, and what extra_model_paths.yaml calls noises."""

import filecmp
import os

import folder_paths

FOLDER = "noises"
EXTENSION = ".safetensors"
NO_FILE = "(no noise in input or output/noises)"


def register_folder() -> None:
    """Make the folders known; paths from ``extra_model_paths.yaml`` stay."""
    for path in (save_folder(), folder_paths.get_input_directory()):
        folder_paths.add_model_folder_path(FOLDER, path)
    folder_paths.folder_names_and_paths[FOLDER][1].add(EXTENSION)


def save_folder() -> str:
    return os.path.join(folder_paths.get_output_directory(), FOLDER)


def noise_file_names() -> list[str]:
    return folder_paths.get_filename_list(FOLDER) or [NO_FILE]


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
            f"The noise {name} is neither in {folder_paths.get_input_directory()} nor in {save_folder()}: put it "
            "there, or choose another one (press R to see new files)."
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
