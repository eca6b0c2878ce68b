"""Write the pack's workflows, built node by node in the real frontend, so that slots and widgets are its own.

    python -m tools.build_workflows [NAME ...]

Without a name every workflow of tools/workflow_specs/ is written to workflows/NAME.json. It needs a ComfyUI (the
newest of COMFYUI_PATH, else ~/ComfyUI) and Chromium. Afterwards run tools.convert_workflow for the API twins.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from .comfyui_browser import QUIET_FRONTEND, open_frontend
from .comfyui_installs import ROOT, newest_comfyui
from .comfyui_server import ComfyServer
from .workflow_specs import WORKFLOWS, Workflow
from .workflow_specs.parts import TITLE

EMPTY = {"version": 0.4, "last_node_id": 0, "last_link_id": 0, "nodes": [], "links": [], "groups": [], "config": {}}

GAP = 50  # pixels between nodes

# Builds the nodes and links of a spec on the empty page; fails on an unknown node, widget or slot. The nodes of a
# column stand below one another, as high as the frontend makes them.
BUILD = """([spec, title, gap]) => {
    const nodes = {};
    const fail = text => { throw new Error(text); };
    let left = 0;
    for (const column of spec.columns) {
        let top = 0, right = left + column.width;
        for (const item of column.nodes) {
            const node = window.LiteGraph.createNode(item.type) ?? fail(`unknown node ${item.type}`);
            window.app.graph.add(node);
            if (item.title) node.title = item.title;
            for (const [name, value] of Object.entries(item.widgets)) {
                const widget = node.widgets?.find(w => w.name === name) ??
                    fail(`${item.type} has no widget ${name}, only ${node.widgets?.map(w => w.name)}`);
                widget.value = value;
            }
            if (item.models.length) node.properties.models = item.models;
            if (item.colour) { node.color = item.colour[0]; node.bgcolor = item.colour[1]; }
            node.mode = item.mode;
            const least = node.computeSize();
            node.setSize([Math.max(least[0], column.width), Math.max(least[1], item.height)]);
            node.pos = [left, top];
            top += node.size[1] + title + gap;
            right = Math.max(right, left + node.size[0]);
            nodes[item.key] = node;
        }
        left = right + gap;
    }
    for (const [from, to] of spec.links) {
        const [source, output] = from.split('.'), [target, input] = to.split('.');
        const out = nodes[source].findOutputSlot(output), into = nodes[target].findInputSlot(input);
        if (out < 0 || into < 0) fail(`no such slot: ${from} -> ${to}`);
        nodes[source].connect(out, nodes[target], into) ?? fail(`cannot connect ${from} -> ${to}`);
    }
    return window.app.graph.serialize();
}"""


def build(frontend, workflow: Workflow) -> dict:
    frontend.load_workflow(EMPTY)
    made = frontend.page.evaluate(BUILD, [asdict(workflow), TITLE, GAP])
    made["extra"] = {"ds": {"scale": workflow.scale, "offset": [40, 60]}}
    return made


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.build_workflows", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="which; default: all")
    names = parser.parse_args().names or list(WORKFLOWS)
    with (
        ComfyServer(newest_comfyui(), settings=QUIET_FRONTEND) as server,
        open_frontend(server.url) as frontend,
    ):
        for name in names:
            path = ROOT / "workflows" / f"{name}.json"
            path.write_text(json.dumps(build(frontend, WORKFLOWS[name]), indent=2) + "\n", encoding="utf-8")
            print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
