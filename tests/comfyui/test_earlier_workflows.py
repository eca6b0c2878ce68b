"""Workflows saved when the nodes had more widgets: the page gives every value that stays to its own widget."""

import json
from pathlib import Path

import pytest

FOLDER, ROOT = Path(__file__).parent / "earlier_workflows", Path(__file__).parents[2]
PUBLISHED = dict(seeds_first=0, strength=1, step_rule="as the method")
KEPT = {
    "GPER_WhiteGaussianProjector": dict(block_size=8, project_gradient=True, project_latent=False),
    "GPER_NoiseOptimizer": dict(
        prompt="",
        steps=2,
        learning_rate=0.05,
        time_budget=0,
        preview_every=5,
        memory="keep",
        patience=7,
        target_reward=12.5,
        **PUBLISHED,
    ),
}


def read(name):
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def as_written_now(workflow):
    return workflow


def without_named_values(workflow):
    """As a frontend writes it that stores values by place alone."""
    for node in workflow["nodes"]:
        node.pop("widgets_values_named", None)
    return workflow


def values_of(prompt):
    """By type of node, what is no link."""
    return {
        node["class_type"]: {name: value for name, value in node["inputs"].items() if not isinstance(value, list)}
        for node in prompt.values()
        if node["class_type"] in KEPT
    }


@pytest.mark.parametrize("saved_by", [as_written_now, without_named_values])
def test_values_keep_their_places(frontend, saved_by):
    frontend.errors.clear()
    frontend.load_workflow(saved_by(read("demo.json")))
    assert values_of(frontend.api_prompt()) == KEPT
    assert frontend.errors == []
    again = frontend.saved_workflow()
    for node in again["nodes"]:
        if node["type"] in KEPT:
            names = {slot["name"] for slot in node["inputs"] if "widget" in slot}
            assert names == set(KEPT[node["type"]])
    frontend.load_workflow(again)
    assert values_of(frontend.api_prompt()) == KEPT


@pytest.mark.parametrize("count", [8, 11])
@pytest.mark.parametrize("listed", [[], ["steps"]])
def test_a_trimmed_file_gets_what_it_lacks(frontend, listed, count):
    """Inputs that are not listed do not mean that their values are missing."""
    saved = json.loads((ROOT / "workflows" / "demo.json").read_text(encoding="utf-8"))
    optimizer = next(node for node in saved["nodes"] if node["type"] == "GPER_NoiseOptimizer")
    widgets = [slot["name"] for slot in optimizer["inputs"] if slot.get("widget")]
    values = {"seeds_first": 9, "strength": 0.3, "step_rule": "falling"}
    assert widgets[8:] == list(values)
    optimizer["inputs"] = [slot for slot in optimizer["inputs"] if not slot.get("widget") or slot["name"] in listed]
    optimizer["widgets_values"] = (optimizer["widgets_values"][:8] + list(values.values()))[:count]
    frontend.load_workflow(without_named_values(saved))
    loaded = values_of(frontend.api_prompt())["GPER_NoiseOptimizer"]
    assert {name: loaded[name] for name in values} == (values if count == 11 else PUBLISHED)


def connect(workflow, type_name, slot_name):
    """Give an input of the Noise Optimizer its value from a primitive node."""
    optimizer = next(node for node in workflow["nodes"] if node["type"] == "GPER_NoiseOptimizer")
    place = [slot["name"] for slot in optimizer["inputs"]].index(slot_name)
    node, link = workflow["last_node_id"] + 1, workflow["last_link_id"] + 1
    workflow["last_node_id"], workflow["last_link_id"] = node, link
    optimizer["inputs"][place]["link"] = link
    kind = optimizer["inputs"][place]["type"]
    workflow["links"].append([link, node, 0, optimizer["id"], place, kind])
    workflow["nodes"].append(
        {
            "id": node,
            "type": type_name,
            "pos": [0, 0],
            "size": [200, 80],
            "flags": {},
            "order": 0,
            "mode": 0,
            "inputs": [{"name": "value", "type": kind, "widget": {"name": "value"}, "link": None}],
            "outputs": [{"name": kind, "type": kind, "links": [link]}],
            "properties": {},
            "widgets_values": [3],
        }
    )


def test_connected_inputs_stay_connected(frontend):
    """One to an input that stays, one to an input that is gone."""
    workflow = read("demo.json")
    connect(workflow, "PrimitiveInt", "patience")
    connect(workflow, "PrimitiveFloat", "gradient_clip")
    frontend.load_workflow(workflow)
    prompt = frontend.api_prompt()
    inputs = next(node["inputs"] for node in prompt.values() if node["class_type"] == "GPER_NoiseOptimizer")
    assert prompt[inputs.pop("patience")[0]]["class_type"] == "PrimitiveInt"
    assert "gradient_clip" not in inputs
    assert {name: value for name, value in inputs.items() if not isinstance(value, list)} == {
        name: value for name, value in KEPT["GPER_NoiseOptimizer"].items() if name != "patience"
    }
    frontend.run()


def test_it_runs_as_the_page_queues_it(frontend):
    frontend.load_workflow(read("demo.json"))
    assert frontend.run()["status"]["status_str"] == "success"


def test_an_api_prompt_with_the_inputs_that_are_gone_runs(server):
    server.run(read("demo_api.json"), seconds=600)
