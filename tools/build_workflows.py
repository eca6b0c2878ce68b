"""Write the pack's workflows, built node by node in the real frontend, so that slots and widgets are its own.

    python -m tools.build_workflows [NAME ...]

Without a name every blueprint of tools/workflow_specs/ is written to subgraphs/NAME.json and every workflow to
workflows/NAME.json. It needs a ComfyUI (the newest of COMFYUI_PATH, else ~/ComfyUI) and Chromium. Afterwards run
tools.convert_workflow for the API twins.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from .comfyui_browser import QUIET_FRONTEND, open_frontend
from .comfyui_installs import newest_comfyui
from .comfyui_server import ComfyServer
from .workflow_files import FOLDER, blueprint_file, read
from .workflow_specs import BLUEPRINTS, WORKFLOWS, Blueprint, Workflow
from .workflow_specs.parts import TITLE

EMPTY = {"version": 0.4, "last_node_id": 0, "last_link_id": 0, "nodes": [], "links": [], "groups": [], "config": {}}

GAP = 50  # pixels between nodes

# Builds the nodes and links of a spec on the empty page; fails on an unknown node, widget or slot. The nodes of a
# column stand below one another, as high as the frontend makes them. Returns the ids of the nodes by their keys.
BUILD = """([spec, title, gap]) => {
    const nodes = {};
    const fail = text => { throw new Error(text); };
    const numbered = (spec.numbered ?? '').split(' ');
    const rank = item => numbered.includes(item.key) ? numbered.indexOf(item.key) : numbered.length;
    for (const item of spec.columns.flatMap(column => column.nodes).sort((a, b) => rank(a) - rank(b))) {
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
        nodes[item.key] = node;
    }
    let left = 0;
    for (const column of spec.columns) {
        let top = column.top, right = left + column.width;
        for (const item of column.nodes) {
            const node = nodes[item.key], least = node.computeSize();
            node.setSize([Math.max(least[0], column.width), Math.max(least[1], item.height)]);
            node.pos = [left, top];
            top += node.size[1] + title + gap;
            right = Math.max(right, left + node.size[0]);
        }
        left = right + gap;
    }
    for (const [from, to] of spec.links) {
        const [source, output] = from.split('.'), [target, input] = to.split('.');
        const out = nodes[source].findOutputSlot(output), into = nodes[target].findInputSlot(input);
        if (out < 0 || into < 0) fail(`no such slot: ${from} -> ${to}`);
        nodes[source].connect(out, nodes[target], into) ?? fail(`cannot connect ${from} -> ${to}`);
    }
    return Object.fromEntries(Object.entries(nodes).map(([key, node]) => [key, node.id]));
}"""

# Makes one node of all that BUILD has built, with the inputs and outputs of the blueprint.
ENCLOSE = """([spec, ids]) => {
    const fail = text => { throw new Error(text); };
    const { subgraph, node } = window.app.graph.convertToSubgraph(new Set(window.app.graph.nodes));
    const at = (place, slots, find) => {
        const [key, name] = place.split('.'), inner = subgraph.getNodeById(ids[key]);
        return [inner[slots][inner[find](name)] ?? fail(`no such slot: ${place}`), inner];
    };
    for (const [name, places] of Object.entries(spec.inputs)) {
        const slots = places.map(place => at(place, 'inputs', 'findInputSlot'));
        const input = subgraph.addInput(name, slots[0][0].type);
        for (const [slot, inner] of slots) input.connect(slot, inner) ?? fail(`cannot connect ${name}`);
    }
    for (const [name, place] of Object.entries(spec.outputs)) {
        const [slot, inner] = at(place, 'outputs', 'findOutputSlot');
        subgraph.addOutput(name, slot.type).connect(slot, inner) ?? fail(`cannot connect ${name}`);
    }
    subgraph.inputNode.arrange();
    subgraph.outputNode.arrange();
    subgraph.name = node.title = spec.name;
    node.pos = [0, 0];
    node.setSize([Math.max(spec.width, node.computeSize()[0]), node.computeSize()[1]]);
}"""
SERIALIZE = "() => JSON.parse(JSON.stringify(window.app.graph.serialize()))"  # without what is undefined


def build(frontend, spec: Workflow | Blueprint) -> dict:
    frontend.load_workflow({**EMPTY, "definitions": {"subgraphs": [_definition(name) for name in _used(spec)]}})
    ids = frontend.page.evaluate(BUILD, [asdict(spec), TITLE, GAP])
    if isinstance(spec, Workflow):
        made = frontend.page.evaluate(SERIALIZE)
        made["extra"] = {"ds": {"scale": spec.scale, "offset": [40, 60]}}
        return made
    frontend.page.evaluate(ENCLOSE, [asdict(spec), ids])
    return _as_blueprint(frontend.page.evaluate(SERIALIZE), spec)


def _used(spec: Workflow | Blueprint) -> list[str]:
    types = {node.type for column in spec.columns for node in column.nodes}
    return [name for name, blueprint in BLUEPRINTS.items() if blueprint.id in types]


def _definition(name: str) -> dict:
    return read(blueprint_file(name))["definitions"]["subgraphs"][0]


def _as_blueprint(made: dict, spec: Blueprint) -> dict:
    """With the same ids each time that it is built, and with what ComfyUI's list of nodes says about it."""
    (subgraph,) = made["definitions"]["subgraphs"]
    text = json.dumps(made).replace(subgraph["id"], spec.id)
    for slot in (*subgraph["inputs"], *subgraph["outputs"]):
        text = text.replace(slot["id"], spec.id_of(slot["name"]))
    made = json.loads(text)
    made["extra"] = {"BlueprintDescription": spec.description, "BlueprintSearchAliases": spec.aliases}
    return made


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.build_workflows", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="which; default: all")
    names = parser.parse_args().names or [*BLUEPRINTS, *WORKFLOWS]
    with (
        ComfyServer(newest_comfyui(), settings=QUIET_FRONTEND) as server,
        open_frontend(server.url) as frontend,
    ):
        for name in names:
            file, spec = _task(name)
            file.parent.mkdir(exist_ok=True)
            file.write_text(json.dumps(build(frontend, spec), indent=2) + "\n", encoding="utf-8")
            print(file)
    return 0


def _task(name: str) -> tuple[Path, Workflow | Blueprint]:
    if name in BLUEPRINTS:
        return blueprint_file(name), BLUEPRINTS[name]
    return FOLDER / f"{name}.json", WORKFLOWS[name]


if __name__ == "__main__":
    sys.exit(main())
