"""The effort widget of the Noise Optimizer on the page: it sets others, and is no input of the node."""

import json
from dataclasses import asdict

import pytest

from preconditioning.efforts import EFFORTS
from tools.workflow_files import FOLDER, read

OPTIMIZER = "GPER_NoiseOptimizer"
KNOBS = ["steps", "seeds_first", "strength", "step_rule"]
TURN = """([type, name, value]) => {
    const node = window.app.graph.nodes.find(n => n.type === type);
    const widget = node.widgets.find(w => w.name === name);
    widget.value = value;
    widget.callback?.(value, window.app.canvas, node);
}"""
SHOWN = """type => Object.fromEntries(
    window.app.graph.nodes.find(n => n.type === type).widgets.map(w => [w.name, w.value]))"""


@pytest.fixture(params=[False, True], ids=["classic", "nodes_2"])
def page(request, frontend):
    frontend.use_nodes_2(request.param)
    frontend.errors.clear()
    frontend.load_workflow(read(FOLDER / "demo.json"))
    yield frontend.page
    assert frontend.errors == []


def shown(page):
    return page.evaluate(SHOWN, OPTIMIZER)


def turn(page, name, value):
    page.evaluate(TURN, [OPTIMIZER, name, value])


def queued(frontend):
    """The knobs as the server gets them."""
    inputs = next(node["inputs"] for node in frontend.api_prompt().values() if node["class_type"] == OPTIMIZER)
    assert "effort" not in inputs
    return {name: inputs[name] for name in KNOBS}


@pytest.mark.parametrize("name", EFFORTS)
def test_it_sets_the_knobs_and_each_can_be_changed(page, frontend, name):
    turn(page, "effort", name)
    assert queued(frontend) == asdict(EFFORTS[name])
    assert shown(page)["effort"] == name
    turn(page, "steps", 77)
    assert shown(page)["effort"] == "custom"
    assert queued(frontend) == asdict(EFFORTS[name]) | {"steps": 77}
    turn(page, "steps", EFFORTS[name].steps)
    assert shown(page)["effort"] == name


def test_it_is_recognised_in_a_saved_workflow_and_not_part_of_it(page, frontend):
    before = shown(page)
    turn(page, "effort", "quick")
    saved = frontend.saved_workflow()
    optimizer = next(node for node in saved["nodes"] if node["type"] == OPTIMIZER)
    assert "quick" not in json.dumps(optimizer)
    frontend.load_workflow(saved)
    quick = asdict(EFFORTS["quick"])
    assert {name: value for name, value in shown(page).items() if name != "live_view"} == {
        name: value for name, value in (before | quick | {"effort": "quick"}).items() if name != "live_view"
    }
    assert queued(frontend) == quick
