"""ComfyUI inside the test process, and what the pack offers there."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import ModuleType


def import_comfyui(comfyui: Path, base: Path) -> None:
    """Make `import comfy`, `import nodes`, `import folder_paths` mean this ComfyUI, on the CPU.

    It goes to the front of the import path: the checkout, which pytest has put there, holds a folder named
    `nodes` too. Models, inputs and outputs live in `base`, so no test sees or changes the installation's own.
    """
    sys.path.insert(0, str(comfyui))
    from comfy.cli_args import args

    args.cpu = True  # before anything else of comfy: without a GPU importing model_management fails
    args.base_directory = str(base)
    import folder_paths
    import utils.extra_config  # noqa: F401  as main.py does: later something else may be found as `utils`

    for folder in (folder_paths.get_input_directory(), folder_paths.get_output_directory()):
        Path(folder).mkdir(parents=True, exist_ok=True)


def collect_node_classes(pack: ModuleType) -> dict[str, type]:
    """Return the pack's node classes by node id, asked for as the host asks."""

    async def ask() -> list[type]:
        extension = await pack.comfy_entrypoint()
        await extension.on_load()
        return await extension.get_node_list()

    return {node.GET_SCHEMA().node_id: node for node in asyncio.run(ask())}
