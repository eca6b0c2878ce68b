"""What keeps a workflow from running on a ComfyUI."""

import copy

import pytest

from batch.host_check import problems

INFO = {
    "Loader": {
        "input": {"required": {"file": [["a.safetensors", "b.safetensors"]], "kind": ["COMBO", {"options": ["x"]}]}}
    },
    "Sampler": {
        "input": {
            "required": {"model": ["MODEL"], "steps": ["INT", {"min": 1, "max": 100}]},
            "optional": {"note": ["STRING", {}], "strength": ["FLOAT", {"min": 0.0}]},
        }
    },
    "Many": {"input": {"required": {"images": ["COMFY_AUTOGROW_V3", {}]}}},
}
WORKFLOW = {
    "1": {"class_type": "Loader", "inputs": {"file": "a.safetensors", "kind": "x"}},
    "2": {"class_type": "Sampler", "inputs": {"model": ["1", 0], "steps": 20, "strength": ["1", 1]}},
    "3": {"class_type": "Many", "inputs": {"images.image0": ["2", 0]}},
}


def test_what_fits():
    assert problems(WORKFLOW, INFO) == []


@pytest.mark.parametrize(
    "node, changed, told",
    [
        ("1", {"file": "c"}, "node 1 (Loader): file is 'c', which is not there; there is a.safetensors, b.safetensors"),
        ("1", {"kind": "y"}, "node 1 (Loader): kind is 'y', which is not there; there is x"),
        ("2", {"steps": 101}, "node 2 (Sampler): steps is 101, it goes from 1 to 100"),
        ("2", {"steps": "many"}, "node 2 (Sampler): steps is 'many', not a number"),
        ("2", {"model": ["9", 0]}, "node 2 (Sampler): model comes from node 9, which is not there"),
    ],
)
def test_what_does_not(node, changed, told):
    workflow = copy.deepcopy(WORKFLOW)
    workflow[node]["inputs"].update(changed)
    assert problems(workflow, INFO) == [told]


def test_missing_nodes_and_inputs():
    workflow = {**WORKFLOW, "4": {"class_type": "Nowhere", "inputs": {}, "_meta": {"title": "My node"}}}
    (told,) = problems(workflow, INFO)
    assert told.startswith("node 4 (My node): this ComfyUI has no node Nowhere")
    workflow = {"2": {"class_type": "Sampler", "inputs": {"steps": 1}}}
    assert problems(workflow, INFO) == ["node 2 (Sampler): model is missing"]
