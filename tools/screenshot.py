"""Take a picture of a workflow in the real frontend.

    python -m tools.screenshot WORKFLOW.json OUT.png [--run] [--nodes-2]

It needs a ComfyUI (the newest of COMFYUI_PATH, else ~/ComfyUI) and Chromium.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from .comfyui_browser import QUIET_FRONTEND, open_frontend
from .comfyui_installs import newest_comfyui
from .comfyui_server import ComfyServer, raise_failure
from .workflow_files import models_to_download, read


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.screenshot", description=__doc__.split("\n")[0])
    parser.add_argument("workflow", type=Path, help="a saved workflow")
    parser.add_argument("picture", type=Path, help="where to write the picture, .png or .jpg")
    parser.add_argument("--run", action="store_true", help="run the workflow in the page first")
    parser.add_argument("--nodes-2", action="store_true", help="draw the nodes with the Nodes 2.0 renderer")
    parser.add_argument("--width", type=int, default=1600)
    parser.add_argument("--height", type=int, default=1000)
    options = parser.parse_args()

    workflow = read(options.workflow)
    with (
        ComfyServer(newest_comfyui(), settings=QUIET_FRONTEND) as server,
        tempfile.NamedTemporaryFile() as empty,
    ):
        for model in models_to_download(workflow):  # stand-ins, so that the page does not mark them as missing
            server.add_model(Path(empty.name), model["directory"], model["name"])
        with open_frontend(server.url, options.width, options.height) as frontend:
            frontend.use_nodes_2(options.nodes_2)
            frontend.load_workflow(workflow, options.workflow.stem)
            if options.run:
                raise_failure(frontend.run())
            frontend.fit_view()
            frontend.screenshot(options.picture)
    print(options.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
