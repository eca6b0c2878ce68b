"""Take pictures of workflows in the real frontend.

    python -m tools.screenshot WORKFLOW.json OUT.png [--run] [--nodes-2]
    python -m tools.screenshot --thumbnails [WORKFLOW.json ...]

The second form writes the .jpg that ComfyUI shows beside each template (default: all of workflows/): the nodes without
the page around them, after running those workflows that need no download. It needs a ComfyUI (the newest of
COMFYUI_PATH, else ~/ComfyUI) and Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from .comfyui_browser import QUIET_FRONTEND, Frontend, open_frontend
from .comfyui_installs import newest_comfyui
from .comfyui_server import ComfyServer, raise_failure
from .workflow_files import models_to_download, read, saved_workflows

# Texts are drawn however far the page is zoomed out.
SETTINGS = {**QUIET_FRONTEND, "LiteGraph.Canvas.MinFontSizeForLOD": 0}
MARGIN = 20  # pixels around the nodes of a thumbnail

# Where the nodes are on the page: x, y, width, height.
GRAPH_AREA = """margin => {
    const { ds, canvas } = window.app.canvas, page = canvas.getBoundingClientRect();
    const nodes = window.app.graph.nodes.map(node => node.getBounding());
    const left = Math.min(...nodes.map(n => n[0])), right = Math.max(...nodes.map(n => n[0] + n[2]));
    const top = Math.min(...nodes.map(n => n[1])), bottom = Math.max(...nodes.map(n => n[1] + n[3]));
    return {
        x: page.left + (left + ds.offset[0]) * ds.scale - margin,
        y: page.top + (top + ds.offset[1]) * ds.scale - margin,
        width: (right - left) * ds.scale + 2 * margin,
        height: (bottom - top) * ds.scale + 2 * margin,
    };
}"""

# Waits until the animated zoom has ended.
STANDSTILL = """async () => {
    const { ds } = window.app.canvas, view = () => [ds.scale, ...ds.offset].join();
    let before;
    do {
        before = view();
        await new Promise(done => setTimeout(done, 1000));
    } while (view() !== before);
}"""


def show(frontend: Frontend, file: Path, run: bool, nodes_2: bool = False) -> None:
    """Show a saved workflow, whole, and run it before if asked to."""
    frontend.use_nodes_2(nodes_2)
    frontend.load_workflow(read(file), file.stem)
    if run:
        raise_failure(frontend.run(900))
    frontend.fit_view()
    frontend.page.evaluate(STANDSTILL)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.screenshot", description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="a saved workflow and a picture, .png or .jpg")
    parser.add_argument("--thumbnails", action="store_true", help="all files are workflows: write their thumbnails")
    parser.add_argument("--run", action="store_true", help="run the workflow in the page first")
    parser.add_argument("--nodes-2", action="store_true", help="draw the nodes with the Nodes 2.0 renderer")
    parser.add_argument("--width", type=int, default=2000)
    parser.add_argument("--height", type=int, default=1250)
    options = parser.parse_args()
    if options.thumbnails:
        workflows = options.files or saved_workflows()
        tasks = [(file, file.with_suffix(".jpg"), not models_to_download(read(file))) for file in workflows]
    elif len(options.files) == 2:
        tasks = [(*options.files, options.run)]
    else:
        parser.error("name a workflow and a picture, or use --thumbnails")

    comfyui = newest_comfyui()
    with ComfyServer(comfyui, settings=SETTINGS) as server, tempfile.NamedTemporaryFile() as empty:
        for file, _, _ in tasks:
            for model in models_to_download(read(file)):  # stand-ins, so that the page does not mark them as missing
                server.add_model(Path(empty.name), model["directory"], model["name"])
        shutil.copy2(comfyui / "input" / "example.png", server.base / "input")  # as in a fresh installation
        with open_frontend(server.url, options.width, options.height) as frontend:
            for file, picture, run in tasks:
                show(frontend, file, run, options.nodes_2)
                area = frontend.page.evaluate(GRAPH_AREA, MARGIN) if options.thumbnails else None
                frontend.page.screenshot(path=picture, clip=area)
                print(picture, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
