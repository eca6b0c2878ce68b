"""Noises kept, loaded, varied and ranked on a real server: same file, same workflow, same picture."""

from urllib.parse import urlencode

import pytest
from safetensors import safe_open
from safetensors.torch import load

from .demo_graph import demo_graph, node, sampler

WORKFLOW = {
    "version": 0.4,
    "last_node_id": 3,
    "last_link_id": 0,
    "nodes": [
        {"id": 3, "type": "GPER_SeedList", "pos": [0, 0], "size": [270, 130], "flags": {}, "order": 0, "mode": 0,
         "inputs": [], "outputs": [], "properties": {}, "widgets_values": [5, "fixed", 2]}
    ],
    "links": [],
    "groups": [],
    "config": {},
    "extra": {},
}  # fmt: skip


def pixels(server, entry, key="picture"):
    return [picture.tobytes() for picture in server.images(entry, key)]


@pytest.fixture(scope="module")
def kept(server):
    """A finished run that saved its noise; and the name of the file."""
    graph = demo_graph() | {"save": node("GPER_SaveNoise", noise=["optimizer", 0], filename_prefix="kept/fox")}
    entry = server.wait(server.queue(graph, WORKFLOW), 200)
    return entry, entry["outputs"]["save"]["noises"][0]


def loading(name):
    graph = demo_graph()
    del graph["optimizer"], graph["seed"]
    graph["load"] = node("GPER_LoadNoise", file=name)
    graph["sampler"] = sampler(["load", 0], ["load", 1])
    graph["about"] = node("PreviewAny", source=["load", 2])
    return graph


def test_the_file_lies_in_the_output_folder_with_its_history(server, kept):
    _, saved = kept
    assert saved == {"filename": "fox_00001_.safetensors", "subfolder": "noises/kept", "type": "output"}
    path = server.base / "output" / "noises" / "kept" / saved["filename"]
    assert load(server.fetch(f"/view?{urlencode(saved)}"))["noise"].shape == (1, 16, 8, 8)
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
    assert header["method"] == '"GPER (block size 16, gradient and noise projected)"'
    assert header["steps"] == "3" and header["step_size"] == "0.05"
    assert "all 3 steps done" in header["stop_reason"] and "demo taste" in header["scores"]
    assert "GPER_SaveNoise" in header["prompt"] and "nodes" in header["workflow"]


def test_the_loaded_noise_paints_the_same_picture_bit_for_bit(server, kept):
    entry, _ = kept
    name = "kept/fox_00001_.safetensors"
    listed = server.get("/object_info/GPER_LoadNoise")["GPER_LoadNoise"]["input"]["required"]["file"]
    assert name in listed[1]["options"]
    loaded = server.run(loading(name), 100)
    assert pixels(server, loaded) == pixels(server, entry)
    about = loaded["outputs"]["about"]["text"][0]
    assert "seed 7" in about and "demo taste" in about and "Flux" in about


@pytest.mark.usefixtures("newer_host")
def test_on_another_computer_the_file_goes_into_the_input_folder(server, kept):
    """A server that was started afresh knows nothing but the file and the workflow."""
    from tools.comfyui_server import ComfyServer

    entry, saved = kept
    file = server.base / "output" / "noises" / "kept" / saved["filename"]
    with ComfyServer(server.comfyui) as other:
        (other.base / "input" / saved["filename"]).write_bytes(file.read_bytes())
        assert pixels(other, other.run(loading(saved["filename"]), 100)) == pixels(server, entry)


def test_another_size_gets_an_error_in_words(server, kept):
    from tools.comfyui_server import PromptFailed

    graph = loading("kept/fox_00001_.safetensors")
    graph["sampler"]["inputs"]["latent_image"] = ["latent", 0]
    graph["latent"]["inputs"]["batch_size"] = 2
    with pytest.raises(PromptFailed, match="was optimized for a latent of shape"):
        server.run(graph, 100)


def varied(**inputs):
    settings = {"count": 3, "distance": 0.3, "seed": 1, "picture": 0, **inputs}
    graph = loading("kept/fox_00001_.safetensors")
    graph["vary"] = node("GPER_NoiseVariations", noise=["load", 0], latent_image=["load", 1], **settings)
    graph["sampler"] = sampler(["vary", 0], ["vary", 1])
    return graph


def test_a_noise_becomes_a_family(server, kept):
    entry, _ = kept
    original = pixels(server, entry)[0]
    assert pixels(server, server.run(varied(distance=0.0), 100)) == [original] * 3
    family = pixels(server, server.run(varied(), 100))
    assert len({original, *family}) == 4
    assert pixels(server, server.run(varied(count=2), 100)) == family[:2]


def test_seeds_run_one_after_another_and_are_ranked(server):
    graph = demo_graph(steps=2)
    graph["seeds"] = node("GPER_SeedList", first=20, count=3)
    graph["seed"]["inputs"]["noise_seed"] = ["seeds", 0]
    graph["rank"] = node(
        "GPER_RankResults", images=["decode", 0], reward=["world", 3], keep=2, prompts="", noises=["optimizer", 0]
    )
    graph["picture"]["inputs"]["images"] = ["rank", 0]
    graph["save"] = node("GPER_SaveNoise", noise=["rank", 1], filename_prefix="ranked")
    graph["table"] = node("PreviewAny", source=["rank", 2])
    entry = server.run(graph, 200)
    assert len(entry["outputs"]["optimizer"]["reward_history"]) == 3 * 3
    rows = [line.split() for line in entry["outputs"]["table"]["text"][0].splitlines()[1:]]
    scores = [float(row[2]) for row in rows]
    assert len(scores) == 3 and scores == sorted(scores, reverse=True) and len(set(scores)) == 3
    assert sorted(int(row[1]) for row in rows) == [1, 2, 3]
    # The kept noises are those of the best pictures, in their order.
    pictures = server.images(entry, "picture")
    assert len(pictures) == len(entry["outputs"]["save"]["noises"]) == 2
    for saved, picture, row in zip(entry["outputs"]["save"]["noises"], pictures, rows, strict=False):
        with safe_open(server.base / "output" / "noises" / saved["filename"], framework="pt") as file:
            assert file.metadata()["seed"] == str(19 + int(row[1]))
        again = server.run(loading(saved["filename"]), 100)
        assert pixels(server, again) == [picture.tobytes()]


def test_prompts_run_one_after_another(server):
    """The same list feeds the model and the ranking."""
    graph = demo_graph(steps=1)
    graph["prompts"] = node("GPER_PromptList", prompts="one landscape\nanother landscape")
    graph["optimizer"]["inputs"]["prompt"] = ["prompts", 0]
    graph["rank"] = node("GPER_RankResults", images=["decode", 0], reward=["world", 3], keep=1, prompts=["prompts", 0])
    graph["picture"]["inputs"]["images"] = ["rank", 0]
    graph["table"] = node("PreviewAny", source=["rank", 2])
    entry = server.run(graph, 200)
    assert len(entry["outputs"]["optimizer"]["reward_history"]) == 2 * 2
    rows = entry["outputs"]["table"]["text"][0].splitlines()[1:]
    assert sorted(" ".join(row.split()[3:]) for row in rows) == ["another landscape", "one landscape"]
    assert len(server.images(entry, "picture")) == 1


def test_a_noise_file_dropped_on_the_page_brings_its_workflow(frontend, server, kept):
    _, saved = kept
    frontend.load_workflow({**WORKFLOW, "nodes": []})
    frontend.page.evaluate(
        """async ([url, name]) => {
            const content = await (await fetch(url)).blob();
            await window.app.handleFile(new File([content], name));
        }""",
        [f"/view?{urlencode(saved)}", saved["filename"]],
    )
    frontend.page.wait_for_function("() => window.app.graph.nodes.length > 0", timeout=10_000)
    assert [node["type"] for node in frontend.saved_workflow()["nodes"]] == ["GPER_SeedList"]
    assert frontend.errors == []
