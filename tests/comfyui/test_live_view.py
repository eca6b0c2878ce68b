"""The live view of the Noise Optimizer in the real page, with both renderers."""

import pytest

from tools.comfyui_server import PromptFailed

from .live_page import OPTIMIZER, LivePage

MANY = 5000
SAVED_PICTURES = """() => window.app.graph.nodes.filter(n => n.type === 'SaveImage').map(
    n => window.app.nodeOutputs[n.id]?.images?.length ?? 0)"""
INTO_A_SUBGRAPH = """type => {
    const inner = window.app.graph.nodes.find(n => n.type === type);
    const { node } = window.app.graph.convertToSubgraph(new Set([inner]));
    window.app.canvas.setGraph(node.subgraph);
    return `${node.id}:${node.subgraph.nodes[0].id}`;
}"""
ANOTHER_OPTIMIZER = """type => {
    const graph = window.app.graph, first = graph.nodes.find(n => n.type === type);
    const second = window.LiteGraph.createNode(type), text = window.LiteGraph.createNode('PreviewAny');
    graph.add(second);
    graph.add(text);
    second.pos = [first.pos[0], first.pos[1] + first.size[1] + 80];
    first.inputs.forEach((input, slot) => {
        const link = graph.getLink(input.link);
        if (link) graph.getNodeById(link.origin_id).connect(link.origin_slot, second, slot);
    });
    second.connect(second.findOutputSlot('report'), text, 0);
    for (const widget of first.widgets)
        if (widget.name !== 'live_view') second.widgets.find(w => w.name === widget.name).value = widget.value;
    second.widgets.find(w => w.name === 'steps').value = 4;
}"""

both_renderers = pytest.mark.parametrize("nodes_2", [False, True], ids=["classic", "nodes_2"])


@pytest.fixture
def live(frontend, server):
    page = LivePage(frontend, server)
    yield page
    server.post("/gper/stop", {})  # what a failed test has left running
    assert frontend.errors == []


def report_of(entry) -> str:
    texts = [output["text"][0] for output in entry["outputs"].values() if "text" in output]
    return next(text for text in texts if "demo taste" in text)


@both_renderers
def test_a_run_is_seen_on_the_node(live, server, nodes_2):
    live.load_demo(nodes_2, seed=100 + nodes_2, steps=40, preview_every=1)
    assert live.wait(lambda panel: panel["state"] == "idle")["button"] is None
    live.watch()
    prompt = live.queue()
    done = live.wait(lambda panel: panel["state"] == "done")
    assert done["points"] == 41 and "all 40 steps done" in done["status"] and done["button"] is None
    assert done["names"] == ["demo taste"] and "learning rate 0.05" in done["settings"]
    assert len(live.wait(lambda panel: len(panel["pictures"]) == 2)["pictures"]) == 2
    running = [panel for panel in live.seen() if panel["state"] == "running"]
    assert {panel["button"] for panel in running} == {"Stop and keep"}
    points = [panel["points"] for panel in running]
    assert points == sorted(points) and len(set(points)) >= 3, "the curve did not grow"
    assert any("of 40" in panel["status"] and "left" in panel["status"] for panel in running)
    history = server.wait(prompt)["outputs"]
    rewards = [row[0] for row in next(o["reward_history"] for o in history.values() if "reward_history" in o)]
    assert done["best"] == f"best step: {rewards.index(max(rewards))}"
    live.page.wait_for_function(f"() => ({SAVED_PICTURES})().every(count => count === 1)")


def test_seeds_are_counted_and_shaded_before_the_steps(live, server):
    live.load_demo(False, seed=130, steps=12, seeds_first=12, preview_every=1)
    live.wait(lambda panel: panel["state"] == "idle")
    live.watch()
    prompt = live.queue()
    done = live.wait(lambda panel: panel["state"] == "done")
    outputs = server.wait(prompt)["outputs"].values()
    rewards = [row[0] for row in next(output["reward_history"] for output in outputs if "reward_history" in output)]
    assert len(rewards) == 12 + 1 + 12 == done["points"] and done["seeds"] == pytest.approx(0.5, abs=0.02)
    assert "12 steps, " in done["status"] and "from the best of 12 seeds, " in done["status"]
    best = max(range(25), key=rewards.__getitem__)
    assert done["best"] == (f"best: step {best - 12}" if best >= 12 else f"best: seed {best + 1}")
    said = {panel["status"].split("\n")[0] for panel in live.seen() if panel["state"] == "running"}
    assert any(status.startswith("seed ") and status.endswith(" of 12") for status in said), said
    assert any(status.startswith("step ") for status in said), said


@both_renderers
def test_stop_and_keep_finishes_the_workflow_with_the_best_noise(live, server, nodes_2):
    live.load_demo(nodes_2, seed=110 + nodes_2, steps=MANY)
    prompt = live.queue()
    live.wait(lambda panel: panel["points"] >= 4)
    live.stop_and_keep()
    done = live.wait(lambda panel: panel["state"] == "done")
    assert "by hand" in done["status"] and 4 <= done["points"] < 100
    entry = server.wait(prompt)
    assert "Stopped: by hand" in report_of(entry)
    assert len(server.images(entry)) == 2, "the workflow did not go on to its end"


@both_renderers
def test_the_curve_is_back_after_a_reload(live, nodes_2):
    live.load_demo(nodes_2, seed=120 + nodes_2, steps=MANY)
    live.queue()
    before = live.wait(lambda panel: panel["points"] >= 4 and len(panel["pictures"]) == 2)
    live.frontend.reload()
    live.frontend.fit_view()
    after = live.wait(lambda panel: panel["points"] >= before["points"] and len(panel["pictures"]) == 2)
    assert after["state"] == "running" and after["names"] == before["names"]
    live.wait(lambda panel: panel["points"] > after["points"])
    live.stop_and_keep()
    live.wait(lambda panel: panel["state"] == "done")


@both_renderers
def test_a_run_inside_a_subgraph_is_seen_there(live, server, nodes_2):
    live.load_demo(nodes_2, seed=130 + nodes_2, steps=MANY)
    node = live.page.evaluate(INTO_A_SUBGRAPH, OPTIMIZER)
    live.frontend.fit_view()
    prompt = live.queue()
    live.wait(lambda panel: panel["points"] >= 3 and len(panel["pictures"]) == 2)
    assert [ascent["node"] for ascent in server.get("/gper/ascents")] == [node]
    live.stop_and_keep()
    live.wait(lambda panel: panel["state"] == "done")
    assert "Stopped: by hand" in report_of(server.wait(prompt))


@both_renderers
def test_two_optimizers_show_their_own_runs(live, server, nodes_2):
    live.load_demo(nodes_2, seed=140 + nodes_2, steps=6)
    live.page.evaluate(ANOTHER_OPTIMIZER, OPTIMIZER)
    live.frontend.fit_view()
    server.wait(live.queue())
    live.wait(lambda panel: panel["state"] == "done" and panel["points"] == 7)
    live.wait(lambda panel: panel["state"] == "done" and panel["points"] == 5)
    assert len(live.panels()) == 2


def test_a_run_is_not_shown_on_another_workflows_node(live, server):
    first, other = "6a3c1b52-0000-4000-8000-000000000001", "6a3c1b52-0000-4000-8000-000000000002"
    live.load_demo(False, seed=150, workflow_id=first, steps=3)
    server.wait(live.queue())
    done = live.wait(lambda panel: panel["state"] == "done")
    live.load_demo(False, seed=150, workflow_id=other, steps=3)
    live.wait(lambda panel: panel["state"] == "idle")
    assert len(live.panels()) == 1
    live.load_demo(False, seed=150, workflow_id=first, steps=3)
    assert live.wait(lambda panel: panel["state"] == "done")["curves"] == done["curves"]


def test_a_cancelled_run_says_so(live, server):
    live.load_demo(False, seed=160, steps=MANY)
    prompt = live.queue()
    live.wait(lambda panel: panel["points"] >= 2)
    server.interrupt()
    assert "cancelled" in live.wait(lambda panel: panel["state"] == "failed")["status"]
    with pytest.raises(PromptFailed, match="execution_interrupted"):
        server.wait(prompt)


def test_the_live_view_is_no_part_of_a_saved_workflow(live):
    live.load_demo(False, seed=170)
    (saved,) = [node for node in live.frontend.saved_workflow()["nodes"] if node["type"] == OPTIMIZER]
    prompt = live.frontend.api_prompt()[str(saved["id"])]
    assert len(saved["widgets_values"]) == 11, saved["widgets_values"]
    assert "live_view" not in prompt["inputs"]
