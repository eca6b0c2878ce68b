"""Every saved workflow in the real frontend and on the real server."""

import shutil

import pytest

from tools.comfyui_server import PromptFailed
from tools.workflow_files import api_twin, models_to_download, read, saved_workflows

SELF_CONTAINED = [path for path in saved_workflows() if not models_to_download(read(path))]
DOWNLOADING = [path for path in saved_workflows() if path not in SELF_CONTAINED]
# What each shows and keeps.
SHOWN = ("images", "gper_before", "gper_after", "gper_pictures")
PICTURES = {
    "better_picture": 2,
    "demo": 8,
    "compare_methods": 3,
    "best_of_seeds": 17,
    "keep_and_vary": 9,
    "ranked_seeds": 4,
    "improve_region": 3,
    "learn_taste": 8,
    "taste_board": 32,
    "noisetilt_demo": 8,
}
NOISES = {"keep_and_vary": 1, "ranked_seeds": 4}
each_workflow = pytest.mark.parametrize("path", saved_workflows(), ids=lambda path: path.stem)

# The pairs of nodes that lie on each other, as the page has drawn them, and how many it has drawn.
OVERLAPPING = """() => {
    const nodes = [...document.querySelectorAll("[data-node-id]")].map(e => [e.innerText, e.getBoundingClientRect()]);
    const drawn = nodes.filter(([_, box]) => box.height > 0);
    const on = (a, b) => Math.min(a.right, b.right) > Math.max(a.left, b.left) + 1
        && Math.min(a.bottom, b.bottom) > Math.max(a.top, b.top) + 1;
    return [drawn.length, drawn.flatMap(([text, box], i) =>
        drawn.slice(i + 1).filter(other => on(box, other[1])).map(other => [text, other[0]]))];
}"""


@pytest.fixture(scope="module")
def own_types(server):
    """The node types of the pack; ComfyUI's own nodes gain and lose widgets from version to version."""
    nodes = server.get("/object_info")
    return {name for name, node in nodes.items() if node["python_module"].endswith(server.pack_folder)}


@pytest.mark.parametrize("nodes_2", [False, True], ids=["classic", "nodes_2"])
@each_workflow
def test_workflow_loads_with_every_node_in_sight(frontend, path, nodes_2):
    workflow = read(path)
    assert frontend.missing_node_types(workflow) == []
    frontend.use_nodes_2(nodes_2)
    frontend.errors.clear()
    frontend.load_workflow(workflow)
    shown = frontend.saved_workflow()
    assert sorted(node["type"] for node in shown["nodes"]) == sorted(node["type"] for node in workflow["nodes"])
    assert frontend.errors == []
    if nodes_2:
        assert frontend.page.evaluate(OVERLAPPING) == [len(workflow["nodes"]), []]


@each_workflow
def test_api_twin_is_what_the_frontend_makes_of_the_workflow(frontend, own_types, path):
    frontend.load_workflow(read(path))
    made, twin = frontend.api_prompt(), read(api_twin(path))
    advice = "run: python -m tools.convert_workflow"
    assert {key: node["class_type"] for key, node in made.items()} == {
        key: node["class_type"] for key, node in twin.items()
    }, advice
    for key, node in twin.items():
        inputs = made[key]["inputs"]
        if node["class_type"] not in own_types:
            inputs = {name: inputs.get(name) for name in node["inputs"]}
        assert inputs == node["inputs"], advice


@each_workflow
def test_no_widget_value_slips_into_another_place(frontend, own_types, path):
    """Saved values are read by position: a node that gained or lost an input shifts them."""
    workflow = read(path)
    frontend.load_workflow(workflow)
    shown = {node["id"]: node for node in frontend.saved_workflow()["nodes"]}
    own = [node for node in workflow["nodes"] if node["type"] in own_types]
    assert own
    for node in own:
        assert shown[node["id"]].get("widgets_values", []) == node.get("widgets_values", []), node["type"]


@each_workflow
def test_workflow_is_offered_as_a_template(server, path):
    assert path.stem in server.get("/workflow_templates")[server.pack_folder]


@pytest.fixture
def stand_ins(server, comfyui):
    """Empty files in place of all models of a workflow, and the picture that comes with ComfyUI."""
    added = []

    def add(workflow, empty):
        for model in models_to_download(workflow):
            server.add_model(empty, model["directory"], model["name"])
            added.append(server.base / "models" / model["directory"] / model["name"])
        shutil.copy2(comfyui / "input" / "example.png", server.base / "input")

    yield add
    for file in added:
        file.unlink()


@pytest.mark.parametrize("path", DOWNLOADING, ids=lambda path: path.stem)
def test_workflow_with_its_models_is_valid(server, stand_ins, tmp_path, path):
    """The server accepts the prompt and gets as far as opening a model file, which here is empty."""
    empty = tmp_path / "empty"
    empty.touch()
    stand_ins(read(path), empty)
    with pytest.raises(PromptFailed, match=r"execution_error in node \d+ \(\w*Loader\w*\)"):
        server.run(read(api_twin(path)), seconds=100)


@pytest.mark.parametrize("path", SELF_CONTAINED, ids=lambda path: path.stem)
def test_workflow_that_needs_no_download_runs(server, path):
    prompt = read(api_twin(path))
    for node in prompt.values():
        if node["class_type"] == "GPER_NoiseOptimizer":
            node["inputs"]["steps"] = 2
        if node["class_type"] == "GPER_NoiseTiltSampler":
            node["inputs"]["every_nth"] = 12
        if node["class_type"] == "EmptySD3LatentImage":
            node["inputs"].update(width=64, height=64)
    entry = server.run(prompt, seconds=600)
    outputs = entry["outputs"].values()
    references = [reference for output in outputs for name in SHOWN for reference in output.get(name, [])]
    assert len([server.picture(reference) for reference in references]) == PICTURES[path.stem]
    noises = sum(len(output.get("noises", [])) for output in outputs)
    assert noises == NOISES.get(path.stem, 0)
