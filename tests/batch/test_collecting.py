"""What is added to a workflow, and which of its pictures is what."""

from pathlib import Path

import pytest

from batch.collecting import collecting, places
from batch.workflow import load_workflow, upstream

API = Path(__file__).parents[2] / "workflows" / "api"


def ready(name):
    return collecting(load_workflow(API / f"{name}.json"), "KEY")


@pytest.mark.parametrize(
    "name, roles, added",
    [
        ("demo", [("16", "best", "8"), ("15", "start", None)], ["batch noise 8"]),
        ("best_of_seeds", [("14", "best", None), ("15", "best", None)], ["batch table 11"]),
        ("keep_and_vary", [("19", "best", "7"), ("20", "best", "7")], []),
        (
            "better_picture",
            [("batch after 15", "best", "14:5"), ("batch before 15", "start", None)],
            ["batch before 15", "batch after 15", "batch noise 14:5"],
        ),
        ("ranked_seeds", [("15", "best", "8")], ["batch noise 8", "batch report 8", "batch table 12"]),
    ],
)
def test_of_the_shipped_workflows(name, roles, added):
    workflow = ready(name)
    assert [(place.node, place.role, place.optimizer) for place in places(workflow)] == roles
    assert [node for node in workflow if node.startswith("batch")] == added


def test_sheets_alone_are_the_pictures():
    assert {place.role for place in places(ready("compare_methods"))} == {"best"}


def test_every_file_has_a_name_of_the_job_and_of_its_own():
    names = [
        node["inputs"]["filename_prefix"] for node in ready("demo").values() if "filename_prefix" in node["inputs"]
    ]
    assert len(set(names)) == len(names) == 3 and all(name.startswith("KEY/") for name in names)


def test_previews_are_saved_where_nothing_else_is():
    workflow = {"1": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}}
    assert collecting(workflow, "KEY")["1"] == {
        "class_type": "SaveImage",
        "inputs": {"images": ["2", 0], "filename_prefix": "KEY/0"},
    }
    workflow["3"] = {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}}
    assert collecting(workflow, "KEY")["1"] == workflow["1"]


def test_an_optimizer_that_nothing_uses_does_not_begin_to_run():
    workflow = load_workflow(API / "demo.json")
    workflow["16"]["inputs"]["images"] = ["11", 0]
    added = collecting(workflow, "KEY")
    assert [node for node in added if node.startswith("batch")] == []
    assert "8" not in {way for way, _ in upstream(added, "16")}
