"""ComfyUI inside this process, without its server: made importable once, and the pack beside it."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
PACK = "gper_pack"


def start() -> None:
    """Make `comfy`, `folder_paths` and the pack (as `gper_pack`) importable; nothing where they are already.

    Raises ValueError if COMFYUI_PATH names no ComfyUI.
    """
    if PACK in sys.modules:
        return
    comfyui = Path(os.environ.get("COMFYUI_PATH") or "").expanduser()
    if not (comfyui / "main.py").is_file():
        raise ValueError(f"COMFYUI_PATH is {os.environ.get('COMFYUI_PATH')!r}: set it to the folder of a ComfyUI, the "
                         "one that holds main.py and the models.")
    sys.path.insert(0, str(comfyui))  # before the checkout, which holds a folder named `nodes` too
    from comfy.cli_args import args

    args.cpu = not torch.cuda.is_available()
    args.disable_dynamic_vram = True
    import folder_paths  # noqa: F401
    import utils.extra_config  # noqa: F401  as main.py does: later something else may be found as `utils`

    spec = importlib.util.spec_from_file_location(PACK, ROOT / "__init__.py")
    pack = importlib.util.module_from_spec(spec)
    sys.modules[PACK] = pack
    spec.loader.exec_module(pack)
    pack_module("nodes.reward_files").register_folder()


def pack_module(name: str):
    """A module of the pack, such as "nodes.methods"."""
    return importlib.import_module(f"{PACK}.{name}")
