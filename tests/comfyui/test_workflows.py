"""Every saved workflow in the real frontend and on the real server."""

import json
from pathlib import Path

import pytest

WORKFLOWS = sorted((Path(__file__).parents[2] / "workflows").glob("*.json"))


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def all_nodes(workflow):
    subgraphs = workflow.get("definitions", {}).get("subgraphs", [])
    return [node for graph in (workflow, *subgraphs) for node in graph["nodes"]]


def needs_download(path):
    return any(node.get("properties", {}).get("models") for node in all_nodes(read(path)))


def without_titles(prompt):
    """Leave out the display names of nodes: they differ between ComfyUI versions and nothing reads them."""
    return {key: {name: node[name] for name in ("class_type", "inputs")} for key, node in prompt.items()}


SELF_CONTAINED = [path for path in WORKFLOWS if not needs_download(path)]


@pytest.mark.parametrize("nodes_2", [False, True], ids=["classic", "nodes_2"])
@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_loads_without_a_missing_node(frontend, path, nodes_2):
    workflow = read(path)
    assert frontend.missing_node_types(workflow) == []
    frontend.use_nodes_2(nodes_2)
    frontend.errors.clear()
    frontend.load_workflow(workflow)
    shown = frontend.saved_workflow()
    assert sorted(node["type"] for node in shown["nodes"]) == sorted(node["type"] for node in workflow["nodes"])
    assert frontend.errors == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_api_twin_is_what_the_frontend_makes_of_the_workflow(frontend, path):
    frontend.load_workflow(read(path))
    made = without_titles(frontend.api_prompt())
    twin = without_titles(read(path.parent / "api" / path.name))
    assert made == twin, "run: python -m tools.convert_workflow"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_widget_value_slips_into_another_place(frontend, path):
    """Saved values are read by position: a node that gained or lost an input shifts them."""
    workflow = read(path)
    frontend.load_workflow(workflow)
    shown = {node["id"]: node for node in frontend.saved_workflow()["nodes"]}
    for node in workflow["nodes"]:
        assert shown[node["id"]].get("widgets_values", []) == node.get("widgets_values", []), node["type"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_is_offered_as_a_template(server, path):
    offered = server.get("/workflow_templates")
    assert path.stem in offered[server.pack_folder]


@pytest.mark.parametrize("path", SELF_CONTAINED, ids=lambda path: path.stem)
def test_workflow_that_needs_no_download_runs(server, path):
    entry = server.run(read(path.parent / "api" / path.name), seconds=600)
    assert server.images(entry), "the workflow shows no picture"
