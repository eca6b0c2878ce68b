"""The server and browser drivers, with nothing but ComfyUI's own nodes."""

import json

import pytest

from tools.comfyui_server import PromptFailed, PromptRejected

PICTURE = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 32, "batch_size": 2, "color": 255}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "harness"}},
}
WORKFLOW = {
    "version": 0.4,
    "last_node_id": 2,
    "last_link_id": 1,
    "nodes": [
        {
            "id": 1,
            "type": "EmptyImage",
            "pos": [100, 100],
            "size": [270, 130],
            "flags": {},
            "order": 0,
            "mode": 0,
            "inputs": [],
            "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [1]}],
            "properties": {},
            "widgets_values": [64, 32, 2, 255],
        },
        {
            "id": 2,
            "type": "SaveImage",
            "pos": [450, 100],
            "size": [270, 130],
            "flags": {},
            "order": 1,
            "mode": 0,
            "inputs": [{"name": "images", "type": "IMAGE", "link": 1}],
            "outputs": [],
            "properties": {},
            "widgets_values": ["harness"],
        },
    ],
    "links": [[1, 1, 0, 2, 0, "IMAGE"]],
    "groups": [],
    "config": {},
    "extra": {},
}


def with_input(node_id, **inputs):
    changed = json.loads(json.dumps(PICTURE))
    changed[node_id]["inputs"].update(inputs)
    return changed


def test_run_returns_the_pictures(server):
    pictures = server.images(server.run(PICTURE), "2")
    assert [picture.size for picture in pictures] == [(64, 32), (64, 32)]
    assert pictures[0].getpixel((0, 0)) == (0, 0, 255)


def test_invalid_prompt_is_rejected(server):
    with pytest.raises(PromptRejected) as rejection:
        server.run(with_input("1", width=0))
    assert list(rejection.value.node_errors) == ["1"]


def test_failing_node_is_named(server):
    with pytest.raises(PromptFailed, match=r"execution_error in node 2 \(SaveImage\)"):
        server.run(with_input("2", filename_prefix="../../outside"))


def test_events_name_the_nodes_that_run(server):
    events = [event for event in server.follow(with_input("1", width=80)) if isinstance(event, dict)]
    executed = [event["data"]["node"] for event in events if event["type"] == "executing"]
    assert executed[:2] == ["1", "2"]
    assert events[-1]["type"] == "execution_success"


def test_frontend_converts_a_saved_workflow(frontend):
    frontend.load_workflow(WORKFLOW)
    prompt = frontend.api_prompt()
    plain = {key: {name: node[name] for name in ("class_type", "inputs")} for key, node in prompt.items()}
    assert plain == PICTURE
    assert frontend.missing_node_types(WORKFLOW) == []


def test_frontend_names_missing_node_types(frontend):
    workflow = json.loads(json.dumps(WORKFLOW))
    workflow["nodes"][0]["type"] = "NoSuchNode"
    assert frontend.missing_node_types(workflow) == ["NoSuchNode"]


def test_frontend_says_why_a_workflow_is_refused(frontend):
    workflow = json.loads(json.dumps(WORKFLOW))
    workflow["nodes"][0]["widgets_values"][0] = 0
    frontend.load_workflow(workflow)
    with pytest.raises(ValueError, match="smaller than min"):
        frontend.run(seconds=60)


def test_frontend_runs_the_shown_workflow(frontend, server):
    frontend.load_workflow(WORKFLOW)
    assert len(server.images(frontend.run(seconds=60))) == 2
    assert frontend.errors == []
