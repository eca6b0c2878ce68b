"""ComfyUI inside this process, without its server: made importable once, and the pack beside it."""

import argparse
import importlib
import os
import sys
from pathlib import Path

import torch

from tools.pack import PACK_NAME, load_pack


def start(on_cpu: bool = False, base: Path | None = None) -> None:
    """Make `comfy`, `folder_paths` and the pack (as `gper_pack`) importable; nothing where they are already.

    on_cpu: even where there is a card. base: the folder of models and outputs, in place of ComfyUI's own.

    Raises ValueError if COMFYUI_PATH, ~/ComfyUI by default, is no ComfyUI.
    """
    if "comfy.cli_args" in sys.modules:
        return
    named = os.environ.get("COMFYUI_PATH") or "~/ComfyUI"
    comfyui = Path(named).expanduser()
    if not (comfyui / "main.py").is_file():
        raise ValueError(f"COMFYUI_PATH is {named!r}: set it to the folder of a ComfyUI, the one that holds main.py "
                         "and the models.")
    sys.path.insert(0, str(comfyui))  # before the checkout, which holds a folder named `nodes` too
    from comfy.cli_args import args

    args.cpu = on_cpu or not torch.cuda.is_available()
    args.disable_dynamic_vram = True
    args.base_directory = base and str(base)
    import folder_paths  # noqa: F401
    import utils.extra_config  # noqa: F401  as main.py does: later something else may be found as `utils`

    load_pack()
    pack_module("nodes.rewards.reward_files").register_folder()


def pack_module(name: str):
    """A module of the pack, such as "nodes.inputs.methods"."""
    return importlib.import_module(f"{PACK_NAME}.{name}")


def start_for(parser: argparse.ArgumentParser, **options) -> None:
    """`start`, for a command: what is wrong ends it with the parser's usage."""
    try:
        start(**options)
    except ValueError as error:
        parser.error(str(error))
