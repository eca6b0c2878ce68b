"""Write the API twins of saved workflows, converted by the real frontend.

    python -m tools.convert_workflow [workflows/NAME.json ...]

Without a name every file of workflows/ is converted to workflows/api/NAME.json. It needs a ComfyUI (the
newest of COMFYUI_PATH, else ~/ComfyUI) and Chromium.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from .comfyui_browser import QUIET_FRONTEND, open_frontend
from .comfyui_installs import newest_comfyui
from .comfyui_server import ComfyServer
from .workflow_files import FOLDER, api_twin, read, saved_workflows


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.convert_workflow", description=__doc__.split("\n")[0])
    parser.add_argument("workflows", nargs="*", type=Path, help="saved workflows; default: all of workflows/")
    files = parser.parse_args().workflows or saved_workflows()
    if not files:
        parser.error(f"there is no workflow in {FOLDER}")
    incomplete = 0
    with (
        ComfyServer(newest_comfyui(), settings=QUIET_FRONTEND) as server,
        open_frontend(server.url) as frontend,
    ):
        for file in files:
            workflow = read(file)
            missing = frontend.missing_node_types(workflow)
            if missing:
                print(f"{file}: not converted, ComfyUI does not know {', '.join(missing)}", file=sys.stderr)
                incomplete += 1
                continue
            frontend.load_workflow(workflow)
            twin = api_twin(file)
            twin.parent.mkdir(exist_ok=True)
            twin.write_text(json.dumps(frontend.api_prompt(), indent=2) + "\n", encoding="utf-8")
            print(twin)
    return 1 if incomplete else 0


if __name__ == "__main__":
    sys.exit(main())
