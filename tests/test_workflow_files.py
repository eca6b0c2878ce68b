"""The saved workflows as files; tests/comfyui/test_workflows.py opens them in ComfyUI."""

from pathlib import Path

import pytest
from PIL import Image

from tools.workflow_files import FOLDER, api_twin, blueprint_file, models_to_download, read, saved_workflows
from tools.workflow_specs import BLUEPRINTS, WORKFLOWS
from tools.workflow_specs.parts import TITLE

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


def test_there_is_a_workflow_for_every_specification():
    assert sorted(WORKFLOWS) == [path.stem for path in saved_workflows()], "run: python -m tools.build_workflows"


@each_workflow
def test_the_saved_workflow_is_the_specified_one(path):
    specified = [node for column in WORKFLOWS[path.stem].columns for node in column.nodes]
    saved = read(path)["nodes"]
    advice = "run: python -m tools.build_workflows"
    assert sorted(node["type"] for node in saved) == sorted(node.type for node in specified), advice
    assert len(read(path)["links"]) == len(WORKFLOWS[path.stem].links), advice
    (note,) = (node for node in saved if node["type"] == "MarkdownNote")
    assert note["widgets_values"] == [specified[0].widgets["text"]], advice


@each_workflow
def test_no_node_covers_another(path):
    boxes = [(node["type"], *node["pos"], *node["size"]) for node in read(path)["nodes"]]
    for i, (first, x, y, width, height) in enumerate(boxes):
        for second, other_x, other_y, other_width, other_height in boxes[:i]:
            apart_x = x >= other_x + other_width or other_x >= x + width
            apart_y = y - TITLE >= other_y + other_height or other_y - TITLE >= y + height
            assert apart_x or apart_y, f"{first} and {second}"


@each_workflow
def test_every_input_that_has_to_be_connected_is(path):
    """Inputs without a widget; optional ones carry shape 7."""
    for node in read(path)["nodes"]:
        if node["mode"] == 0:
            open_inputs = [
                slot["name"]
                for slot in node.get("inputs", [])
                if slot["link"] is None and "widget" not in slot and slot.get("shape") != 7
            ]
            assert open_inputs == [], node["type"]


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_the_saved_blueprint_is_the_specified_one(name):
    specified, file = BLUEPRINTS[name], read(blueprint_file(name))
    (node,), (subgraph,) = file["nodes"], file["definitions"]["subgraphs"]
    advice = "run: python -m tools.build_workflows"
    assert node["type"] == subgraph["id"] == specified.id and subgraph["name"] == name, advice
    types = sorted(part.type for column in specified.columns for part in column.nodes)
    assert sorted(part["type"] for part in subgraph["nodes"]) == types, advice
    assert [slot["name"] for slot in node["inputs"]] == list(specified.inputs), advice
    assert [slot["name"] for slot in node["outputs"]] == list(specified.outputs), advice
    ends = sum(map(len, specified.inputs.values())) + len(specified.outputs)
    assert len(subgraph["links"]) == len(specified.links) + ends, advice
    assert file["extra"]["BlueprintDescription"] == specified.description, advice


def test_every_blueprint_is_specified():
    folder = blueprint_file("").parent
    assert sorted(path.stem for path in folder.iterdir()) == sorted(BLUEPRINTS)


@each_workflow
def test_a_workflow_holds_the_blueprint_as_it_is_offered(path):
    offered = {blueprint.id: read(blueprint_file(name)) for name, blueprint in BLUEPRINTS.items()}
    workflow = read(path)
    numbers = [node["id"] for node in workflow["nodes"]]
    for subgraph in (workflow.get("definitions") or {}).get("subgraphs", []):
        (blueprint,) = offered[subgraph["id"]]["definitions"]["subgraphs"]
        assert contents(subgraph) == contents(blueprint), "run: python -m tools.build_workflows"
        numbers += [node["id"] for node in subgraph["nodes"]]
    assert len(numbers) == len(set(numbers)), "some frontends give nodes new numbers, and the API twin is another"


def contents(subgraph):
    nodes = [(node["type"], node.get("widgets_values")) for node in subgraph["nodes"]]
    links = [
        (link["origin_id"], link["origin_slot"], link["target_id"], link["target_slot"]) for link in subgraph["links"]
    ]
    return nodes, sorted(links), [[slot["name"] for slot in subgraph[side]] for side in ("inputs", "outputs")]
