"""The saved workflows as files; tests/comfyui/test_workflows.py opens them in ComfyUI."""

from pathlib import Path

import pytest
from PIL import Image

from tools.workflow_files import FOLDER, api_twin, models_to_download, read, saved_workflows

each_workflow = pytest.mark.parametrize("path", saved_workflows(), ids=lambda path: path.stem)


@each_workflow
def test_thumbnail(path):
    with Image.open(path.with_suffix(".jpg")) as thumbnail:  # ComfyUI shows the picture of the same name
        assert thumbnail.format == "JPEG"
        assert min(thumbnail.size) >= 256
    assert path.with_suffix(".jpg").stat().st_size < 500_000


@each_workflow
def test_workflow_is_a_saved_graph_and_its_twin_an_api_prompt(path):
    assert {"nodes", "links"} <= set(read(path))
    assert api_twin(path).is_file(), "run: python -m tools.convert_workflow"
    assert all({"class_type", "inputs"} <= set(node) for node in read(api_twin(path)).values())


def test_nothing_in_the_folder_belongs_to_no_workflow():
    names = {path.stem for path in saved_workflows()}
    others = [path for path in FOLDER.rglob("*") if path.suffix in (".json", ".jpg") and path.stem not in names]
    assert others == []


@each_workflow
def test_every_model_to_download_says_where_from_and_where_to(path):
    for model in models_to_download(read(path)):
        assert model["name"] and model["directory"]
        assert model["url"].startswith(("https://huggingface.co/", "https://civitai.com/"))
        assert Path(model["name"]).suffix in (".safetensors", ".sft", ".ckpt", ".pth", ".pt")
