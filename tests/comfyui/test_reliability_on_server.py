"""Bad ends of a run on a real server: said to the user, and without effect on what comes after."""

import json
from itertools import count
from pathlib import Path

import pytest

from tools.comfyui_server import ComfyServer, PromptFailed

from .demo_graph import demo_graph, node

EXTRA = Path(__file__).parent / "accident_nodes"
runs = count(1)


@pytest.fixture(scope="module")
def server(comfyui, tmp_path_factory):
    """A server of its own, which has the nodes that make accidents."""
    folder = tmp_path_factory.mktemp("accidents")
    (folder / "custom_nodes").mkdir()
    (folder / "custom_nodes" / EXTRA.name).symlink_to(EXTRA)
    config = folder / "paths.yaml"
    config.write_text(json.dumps({"tests": {"base_path": str(folder), "custom_nodes": "custom_nodes"}}))
    loaded = ("--whitelist-custom-nodes", ComfyServer.pack_folder, EXTRA.name)
    with ComfyServer(comfyui, ("--extra-model-paths-config", str(config), *loaded)) as running:
        yield running


def graph(kind="none", steps=4, memory="auto"):
    prompt = demo_graph(steps)
    run = next(runs)
    prompt["accident"] = node("Test_AccidentReward", reward=["world", 3], kind=kind, run=run)
    prompt["optimizer"]["inputs"].update(reward=["accident", 0], memory=memory)
    prompt["report"] = node("PreviewAny", source=["optimizer", 2])
    return prompt


def sampling():
    """The same model and seed without an optimizer."""
    prompt = demo_graph()
    del prompt["optimizer"]
    prompt["sampler"]["inputs"]["noise"] = ["seed", 0]
    prompt["guider"]["inputs"]["conditioning"] = ["world", 2]
    prompt["picture"]["inputs"]["filename_prefix"] = f"plain{next(runs)}"
    return prompt


def picture(server, prompt):
    return server.images(server.run(prompt), "picture")[0].tobytes()


def live_bytes(server):
    prompt = {"live": node("Test_LiveTensors", run=next(runs)), "text": node("PreviewAny", source=["live", 0])}
    return int(server.run(prompt)["outputs"]["text"]["text"][0])


@pytest.fixture(scope="module")
def before(server):
    """What plain sampling and an undisturbed run paint, and the memory after them."""
    plain, optimized = picture(server, sampling()), picture(server, graph())
    return plain, optimized, live_bytes(server)


def still_the_same(server, before):
    plain, optimized, memory = before
    assert picture(server, sampling()) == plain
    assert picture(server, graph()) == optimized
    assert live_bytes(server) == pytest.approx(memory, rel=0.01)


def test_a_reward_that_fails(server, before):
    with pytest.raises(PromptFailed, match="the reward is broken"):
        server.run(graph("fails"))
    still_the_same(server, before)


def test_out_of_memory_for_good(server, before):
    with pytest.raises(PromptFailed, match="no memory left"):
        server.run(graph("out of memory"))
    still_the_same(server, before)


def test_out_of_memory_once(server, before):
    """The run goes on, to the same picture."""
    entry = server.run(graph("out of memory once"))
    assert server.images(entry, "picture")[0].tobytes() == before[1]
    assert "all 4 steps done" in entry["outputs"]["report"]["text"][0]
    assert "Out of memory: going on from the same noise" in server.log()
    still_the_same(server, before)


def test_cancelled(server, before):
    steps = 2000
    reached, asked, ended = 0, False, ""
    for event in server.follow(graph(steps=steps)):
        if isinstance(event, bytes):
            continue
        if event["type"] == "progress" and event["data"]["node"] == "optimizer":
            reached = event["data"]["value"]
            if reached >= 3 and not asked:  # not every step is announced
                server.interrupt()
                asked = True
        ended = event["type"]
    assert ended == "execution_interrupted" and reached < steps / 2
    still_the_same(server, before)
