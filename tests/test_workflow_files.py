"""The saved workflows as files; tests/comfyui/test_workflows.py opens them in ComfyUI."""

import json
from pathlib import Path

import pytest
from PIL import Image

FOLDER = Path(__file__).resolve().parent.parent / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.json"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_has_its_api_twin_and_its_thumbnail(path):
    assert (FOLDER / "api" / path.name).is_file(), "run: python -m tools.convert_workflow"
    with Image.open(path.with_suffix(".jpg")) as thumbnail:  # ComfyUI shows the picture of the same name
        assert thumbnail.format == "JPEG"
        assert min(thumbnail.size) >= 256
    assert path.with_suffix(".jpg").stat().st_size < 500_000


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_is_a_saved_graph_and_its_twin_an_api_prompt(path):
    workflow = json.loads(path.read_text(encoding="utf-8"))
    assert workflow["nodes"] and "links" in workflow
    twin = json.loads((FOLDER / "api" / path.name).read_text(encoding="utf-8"))
    assert all({"class_type", "inputs"} <= set(node) for node in twin.values())


def test_nothing_in_the_folder_belongs_to_no_workflow():
    names = {path.stem for path in WORKFLOWS}
    others = [path for path in FOLDER.rglob("*") if path.suffix in (".json", ".jpg") and path.stem not in names]
    assert others == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_model_to_download_says_where_from_and_where_to(path):
    workflow = json.loads(path.read_text(encoding="utf-8"))
    graphs = [workflow, *workflow.get("definitions", {}).get("subgraphs", [])]
    models = [m for graph in graphs for node in graph["nodes"] for m in node.get("properties", {}).get("models", [])]
    for model in models:
        assert model["name"] and model["directory"]
        assert model["url"].startswith(("https://huggingface.co/", "https://civitai.com/"))
        assert Path(model["name"]).suffix in (".safetensors", ".sft", ".ckpt", ".pth", ".pt")
