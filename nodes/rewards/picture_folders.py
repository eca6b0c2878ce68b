"""Folders of pictures below ComfyUI's `input`."""

import os
from collections.abc import Callable
from functools import partial

import folder_paths
import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ...reward_models.taste import Picture
from ...reward_models.taste.pictures import MOST
from ..inputs.file_names import shown

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def folder_problem(name: str, widget: str) -> str | None:
    """Why no pictures can be read from the folder, and what to do, in one line; None if they can, or it is blank.

    Args:
        name: of the folder, as typed.
        widget: that it was typed into.
    """
    if not name.strip():
        return None
    if any(ord(character) < 32 or "\ud800" <= character <= "\udfff" for character in name):
        return f"{widget} is {shown(name)}, and a folder's name holds no such character: remove it."
    path, base = _path(name), os.path.abspath(folder_paths.get_input_directory())
    if path != base and not path.startswith(base + os.sep):
        return f"{widget} is {shown(name)}, which leads outside {base}: name a folder inside it, such as liked."
    if not os.path.isdir(path):
        return f"{widget}: there is no folder {shown(name)} in {base}: make it and put the pictures there."
    if not _files(path):
        return f"{widget}: the folder {shown(name)} holds no picture ({', '.join(EXTENSIONS)}): put some there."
    return None


def folder_pictures(name: str, widget: str, each: Callable[[], object]) -> list[Picture]:
    """The pictures that lie directly in the folder, by name; none if `name` is blank.

    Args:
        each: called before each file is read, which takes minutes for a thousand photographs.

    Raises:
        ValueError: `folder_problem`, many more files than can be learned from, or a file that is no picture.
    """
    problem = folder_problem(name, widget)
    if problem:
        raise ValueError(problem)
    files = _files(_path(name)) if name.strip() else []
    if len(files) > 2 * MOST:  # some may be there twice
        raise ValueError(f"{widget}: the folder {shown(name)} holds {len(files)} pictures; {MOST} are enough.")
    pictures = []
    for file in files:
        each()
        pictures.append(Picture.of(partial(_pixels, file)))
    return pictures


def folder_state(name: str) -> list[tuple[str, int, int]]:
    """The pictures with their sizes and times, to notice a change."""
    if not name.strip() or folder_problem(name, ""):
        return []
    return [(file, os.stat(file).st_size, os.stat(file).st_mtime_ns) for file in _files(_path(name))]


def _path(name: str) -> str:
    return os.path.abspath(os.path.join(folder_paths.get_input_directory(), name.strip()))


def _files(path: str) -> list[str]:
    # Regular files only: a pipe would keep the run waiting. A link is the user's own, and is followed.
    files = (os.path.join(path, file) for file in sorted(os.listdir(path)))
    return [file for file in files if file.lower().endswith(EXTENSIONS) and os.path.isfile(file)]


def _pixels(file: str) -> Tensor:
    """(3, H, W) uint8; turned as the camera says, without its alpha channel, as Load Image has it."""
    try:
        with Image.open(file) as image:
            if image.mode.startswith("I;16"):  # PIL would clip all above 255
                image = Image.fromarray((np.array(image) >> 8).astype(np.uint8))
            pixels = np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{shown(os.path.basename(file))} in {shown(os.path.basename(os.path.dirname(file)))} cannot be read as a "
            "picture (damaged, or another kind of file): remove it from the folder."
        ) from error
    return torch.from_numpy(pixels).movedim(-1, 0).contiguous()
