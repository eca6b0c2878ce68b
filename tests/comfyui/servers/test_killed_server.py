"""A server that is killed in the middle of a run: the next one finds nothing broken and makes the same pictures."""

import time

import pytest

from tools.comfyui_server import ComfyServer

from ..demo_graph import demo_graph, node


@pytest.fixture(scope="module")
def server(comfyui):
    """A server of its own, because it is killed."""
    with ComfyServer(comfyui) as running:
        yield running


def graph(steps):
    prompt = demo_graph(steps)
    prompt["save"] = node("GPER_SaveNoise", noise=["optimizer", 0], filename_prefix="kept")
    return prompt


def files(server):
    return sorted(str(path.relative_to(server.base)) for path in (server.base / "output").rglob("*") if path.is_file())


@pytest.mark.usefixtures("newer_host")
def test_killed_in_a_run(server):
    before = server.run(graph(3))
    kept = files(server)
    assert len(kept) == 2
    server.queue(graph(5000))
    deadline = time.monotonic() + 120
    while not any(run["state"] == "running" and run["step"] > 2 for run in server.get("/gper/ascents")):
        assert time.monotonic() < deadline, "the run did not start"
        time.sleep(0.05)
    server.kill_and_restart()
    assert server.get("/gper/ascents") == [] and files(server) == kept
    after = server.run(graph(3))
    assert [p.tobytes() for p in server.images(after)] == [p.tobytes() for p in server.images(before)]
