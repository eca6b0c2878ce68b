"""Write locales/en/nodeDefs.json: the texts of the pack's nodes as a running ComfyUI reports them.

    python -m tools.build_locales

The other languages are translated by hand, key by key; tests/comfyui/test_locales.py tells what is missing in them.
It needs a ComfyUI (the newest of COMFYUI_PATH, else ~/ComfyUI).
"""

from __future__ import annotations

import json
import sys
from typing import Any

from .archive import ROOT
from .comfyui_installs import newest_comfyui
from .comfyui_server import ComfyServer

FOLDER = ROOT / "locales"
ENGLISH = FOLDER / "en" / "nodeDefs.json"


def node_texts(object_info: dict[str, Any], pack_folder: str) -> dict[str, Any]:
    """Return the texts of the pack's nodes in the layout of nodeDefs.json, from the server's /object_info."""
    own = {name: node for name, node in object_info.items() if node["python_module"].endswith(pack_folder)}
    return {name: _texts(node) for name, node in sorted(own.items())}


def _texts(node: dict[str, Any]) -> dict[str, Any]:
    inputs = {**node["input"].get("required", {}), **node["input"].get("optional", {})}
    outputs = zip(node["output_name"], node["output_tooltips"], strict=True)
    return {
        "display_name": node["display_name"],
        "description": node["description"],
        "inputs": {
            name: {"name": options.get("display_name") or name, "tooltip": options["tooltip"]}
            for name, (_, options) in inputs.items()
        },
        "outputs": {str(i): {"name": name, "tooltip": tooltip} for i, (name, tooltip) in enumerate(outputs)},
    }


def main() -> int:
    with ComfyServer(newest_comfyui()) as server:
        texts = node_texts(server.get("/object_info"), server.pack_folder)
    ENGLISH.parent.mkdir(parents=True, exist_ok=True)
    ENGLISH.write_text(json.dumps(texts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(ENGLISH)
    return 0


if __name__ == "__main__":
    sys.exit(main())
