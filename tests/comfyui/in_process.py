"""What the pack offers in the ComfyUI of this process."""

from __future__ import annotations

import asyncio
from types import ModuleType


def collect_node_classes(pack: ModuleType) -> dict[str, type]:
    """Return the pack's node classes by node id, asked for as the host asks."""

    async def ask() -> list[type]:
        extension = await pack.comfy_entrypoint()
        await extension.on_load()
        return await extension.get_node_list()

    return {node.GET_SCHEMA().node_id: node for node in asyncio.run(ask())}
