"""Bad file names in a queued prompt: the answer to POST /prompt names them, and nothing runs, is loaded or written."""

import pytest

from tools.comfyui_server import PromptRejected

from .demo_graph import demo_graph, node
from .hostile_names import OUTSIDE, STRANGE

BAD_PREFIXES = {
    "../x": "leads outside the output folder",
    "/x": "leads outside the output folder",
    "x\0": "holds the character",
    "x\nx": "holds the character",
    "\ud800": "holds the character",
    "x" * 300: "too long",
    "taken/x": "but that is a file",
}
LOADING = "Requested to load"  # as ComfyUI logs every model that it loads


def saving(prefix):
    """Save Noise is the only output, so that ComfyUI has nothing else to run."""
    graph = demo_graph(steps=1)
    for name in ("sampler", "decode", "picture"):
        del graph[name]
    return graph | {"save": node("GPER_SaveNoise", noise=["optimizer", 0], filename_prefix=prefix)}


def scoring(file, backbone="none"):
    return {
        "picture": node("EmptyImage", width=64, height=64, batch_size=1, color=0),
        "reward": node(
            "GPER_RewardModelLoader", file=file, dtype="auto", backbone=backbone, kind="auto", recompute=False
        ),
        "score": node("GPER_ScoreImages", images=["picture", 0], reward=["reward", 0], prompt="", keep=1),
        "table": node("PreviewAny", source=["score", 2]),
    }


def loading(file):
    return {"load": node("GPER_LoadNoise", file=file), "about": node("PreviewAny", source=["load", 2])}


def similar(file):
    graph = scoring("x")
    graph["reward"] = node("GPER_ReferenceSimilarity", reference=["picture", 0], encoder=file)
    return graph


@pytest.fixture
def nothing_happens(server):
    """No run, no model and no file between the beginning and the end of the test."""

    def state():
        files = sorted(path for folder in ("output", "models") for path in (server.base / folder).rglob("*"))
        queue = server.get("/queue")
        return (
            len(server.get("/history")),
            server.log().count(LOADING),
            files,
            queue["queue_running"],
            queue["queue_pending"],
        )

    before = state()
    yield
    assert state() == before


@pytest.fixture(scope="module")
def taken(server):
    """A good name is written, by models whose loading is logged; and a file lies where a bad one has a folder."""
    server.run(saving("good"))
    assert LOADING in server.log()
    file = server.base / "output" / "noises" / "taken"
    file.write_bytes(b"")
    yield
    file.unlink()


@pytest.mark.parametrize("prefix", BAD_PREFIXES, ids=lambda prefix: ascii(prefix[:12]))
def test_a_bad_prefix_is_refused_before_the_run(server, taken, nothing_happens, prefix):
    with pytest.raises(PromptRejected) as rejected:
        server.queue(saving(prefix))
    assert rejected.value.node_errors.keys() == {"save"}
    (error,) = rejected.value.node_errors["save"]["errors"]
    assert error["type"] == "custom_validation_failed" and error["extra_info"]["input_name"] == "filename_prefix"
    assert BAD_PREFIXES[prefix] in error["details"]


def test_other_outputs_of_the_prompt_run_without_it(server, taken):
    """ComfyUI runs what it can; its answer names what it cannot."""
    graph = demo_graph(steps=1) | {"save": saving("../x")["save"]}
    answer = server.post("/prompt", {"prompt": graph, "client_id": server.client_id})
    assert answer["node_errors"].keys() == {"save"}
    entry = server.wait(answer["prompt_id"])
    assert "save" not in entry["outputs"] and len(server.images(entry)) == 1


@pytest.mark.parametrize("name", [*OUTSIDE, *STRANGE], ids=lambda name: ascii(name[:20]))
def test_a_file_that_is_not_in_the_list_is_refused_before_the_run(server, nothing_happens, name):
    asked = {"file": (loading, "load"), "backbone": (lambda file: scoring("x", f"reward_models/{file}"), "reward"),
             "reward": (scoring, "reward"), "encoder": (similar, "reward")}  # fmt: skip
    for graph, place in asked.values():
        with pytest.raises(PromptRejected) as rejected:
            server.queue(graph(name))
        assert {error["type"] for error in rejected.value.node_errors[place]["errors"]} == {"value_not_in_list"}
