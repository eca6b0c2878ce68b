"""ComfyUI inside this process, without its server: made importable once, and the pack beside it."""

import argparse
import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

import torch

from .pack import PACK_NAME, load_pack


def import_comfyui(comfyui: Path, base: Path | None, on_cpu: bool = True) -> None:
    """Make `import comfy`, `import nodes`, `import folder_paths` mean this ComfyUI.

    It goes to the front of the import path: the checkout, which may be there, holds a folder named `nodes` too.

    Args:
        base: the folder of models, inputs and outputs, in place of ComfyUI's own; the last two are made there.
        on_cpu: even where there is a card.
    """
    sys.path.insert(0, str(comfyui))
    from comfy.cli_args import args

    # Before anything else of comfy: without a GPU importing model_management fails.
    args.cpu = on_cpu or not torch.cuda.is_available()
    args.base_directory = base and str(base)
    import folder_paths
    import utils.extra_config  # noqa: F401  as main.py does: later something else may be found as `utils`

    for folder in (folder_paths.get_input_directory(), folder_paths.get_output_directory()) if base else ():
        Path(folder).mkdir(parents=True, exist_ok=True)


def start(on_cpu: bool = False, base: Path | None = None) -> None:
    """`import_comfyui` of COMFYUI_PATH, by default ~/ComfyUI, and the pack as `gper_pack`, without dynamic VRAM.

    Nothing where ComfyUI is there already.

    Raises:
        ValueError: COMFYUI_PATH is no ComfyUI.
    """
    if "comfy.cli_args" in sys.modules:
        return
    named = os.environ.get("COMFYUI_PATH") or "~/ComfyUI"
    comfyui = Path(named).expanduser()
    if not (comfyui / "main.py").is_file():
        raise ValueError(
            f"COMFYUI_PATH is {named!r}: set it to the folder of a ComfyUI, the one that holds main.py and the models."
        )
    import_comfyui(comfyui, base, on_cpu)
    from comfy.cli_args import args

    args.disable_dynamic_vram = True
    load_pack()
    pack_module("nodes.rewards.reward_files").register_folder()


def start_for(parser: argparse.ArgumentParser, **options) -> None:
    """`start`, for a command: what is wrong ends it with the parser's usage."""
    try:
        start(**options)
    except ValueError as error:
        parser.error(str(error))


def pack_module(name: str) -> ModuleType:
    """A module of the loaded pack, such as "nodes.inputs.methods"."""
    return importlib.import_module(f"{PACK_NAME}.{name}")
