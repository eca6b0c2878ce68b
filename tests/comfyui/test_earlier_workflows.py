"""Workflows saved when the nodes had more widgets: the page gives every value that stays to its own widget."""

import json
from copy import deepcopy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "earlier_workflows"
KEPT = {
    "GPER_WhiteGaussianProjector": dict(block_size=8, project_gradient=True, project_latent=False),
    "GPER_NoiseOptimizer": dict(
        prompt="", steps=2, learning_rate=0.05, time_budget=0, preview_every=5, memory="keep", patience=7,
        target_reward=12.5),
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


def without_widget_slots(workflow):
    """As frontends wrote it in which a widget was no input."""
    workflow = without_named_values(workflow)
    for node in workflow["nodes"]:
        node["inputs"] = [slot for slot in node.get("inputs", []) if "widget" not in slot]
    return workflow


def values_of(prompt):
    """By type of node, what is no link."""
    return {node["class_type"]: {name: value for name, value in node["inputs"].items() if not isinstance(value, list)}
            for node in prompt.values() if node["class_type"] in KEPT}


@pytest.mark.parametrize("saved_by", [as_written_now, without_named_values, without_widget_slots])
def test_values_keep_their_places(frontend, saved_by):
    frontend.errors.clear()
    frontend.load_workflow(saved_by(read("demo.json")))
    assert values_of(frontend.api_prompt()) == KEPT
    assert frontend.errors == []
    again = frontend.saved_workflow()
    frontend.load_workflow(deepcopy(again))
    assert values_of(frontend.api_prompt()) == KEPT


def test_it_runs_as_the_page_queues_it(frontend):
    frontend.load_workflow(read("demo.json"))
    assert frontend.run()["status"]["status_str"] == "success"


def test_an_api_prompt_with_the_inputs_that_are_gone_runs(server):
    server.run(read("demo_api.json"), seconds=600)
