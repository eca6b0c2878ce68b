"""The blueprint Better Picture: offered by the server, unpacked by the page, and seen while it runs."""

import json

import pytest

from tools.workflow_files import FOLDER, blueprint_file, read
from tools.workflow_specs import BLUEPRINTS

both_renderers = pytest.mark.parametrize("nodes_2", [False, True], ids=["classic", "nodes_2"])

SET = """values => {
    const node = window.app.graph.nodes.find(n => n.isSubgraphNode?.());
    for (const [name, value] of Object.entries(values)) node.widgets.find(w => w.name === name).value = value;
}"""
SMALL = """() => {
    const widgets = window.app.graph.nodes.find(node => node.type === 'EmptySD3LatentImage').widgets;
    for (const widget of widgets.slice(0, 2)) widget.value = 64;
}"""
COMPARED = """() => [...document.querySelectorAll('.gper-pair')].map(pair => ({
    pictures: [...pair.querySelectorAll('img')].map(i => i.complete && i.naturalWidth),
    edge: Math.round(100 * pair.querySelector('.gper-edge').offsetLeft / pair.clientWidth),
    clip: getComputedStyle(pair.querySelector('.gper-after')).clipPath,
}))"""
INNER_TYPES = "() => window.app.graph.nodes.map(n => n.subgraph?.nodes.map(inner => inner.type).sort())"
EMPTY = {"version": 0.4, "last_node_id": 0, "last_link_id": 0, "nodes": [], "links": [], "groups": [], "config": {}}


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_the_server_offers_it(server, name):
    offered = server.get("/global_subgraphs")
    (key,) = (key for key, entry in offered.items() if entry["name"] == name)
    assert offered[key]["info"]["node_pack"] == f"custom_nodes.{server.pack_folder}"
    assert json.loads(server.get(f"/global_subgraphs/{key}")["data"]) == read(blueprint_file(name))


def test_it_is_found_in_the_list_of_nodes_and_unpacked(frontend):
    frontend.use_nodes_2(False)
    frontend.errors.clear()
    frontend.load_workflow(EMPTY)
    page = frontend.page
    search = page.locator("input:focus")
    for half_second in range(60):
        if half_second % 20 == 0:  # a busy page misses a double click now and then, as it does a user's
            page.mouse.dblclick(500, 300)
        page.wait_for_timeout(500)
        if search.count():
            break
    search.fill("Better Picture")
    page.get_by_text("Better Picture", exact=True).first.wait_for()
    page.keyboard.press("Enter")
    page.wait_for_function("() => window.app.graph.nodes.length === 1")
    specified = [node.type for column in BLUEPRINTS["Better Picture"].columns for node in column.nodes]
    assert page.evaluate(INNER_TYPES) == [sorted(specified)]
    # The node hangs on the pointer until it is put down or let go; until then no node of the page answers.
    page.keyboard.press("Escape")
    page.wait_for_function("() => window.app.graph.nodes.every(node => !node.flags.ghost)")
    assert frontend.errors == []


@both_renderers
def test_a_run_is_seen_on_the_node_and_in_the_comparison(frontend, nodes_2):
    frontend.use_nodes_2(nodes_2)
    frontend.errors.clear()
    frontend.load_workflow(read(FOLDER / "better_picture.json"), f"better picture {nodes_2}")
    frontend.page.evaluate(SET, {"seed": 500 + nodes_2, "steps": 3})
    frontend.page.evaluate(SMALL)
    frontend.fit_view()
    entry = frontend.run()
    report = next(output["text"][0] for output in entry["outputs"].values() if "text" in output)
    seeds = [
        node["inputs"]["noise_seed"] for node in entry["prompt"][2].values() if node["class_type"] == "RandomNoise"
    ]
    assert "all 3 steps done" in report and seeds == [500 + nodes_2]
    page = frontend.page
    page.wait_for_function(f"() => ({COMPARED})().every(pair => pair.pictures.every(width => width === 64))")
    (pair,) = page.evaluate(COMPARED)
    assert len(pair["pictures"]) == 2 and pair["edge"] == 50
    slider = page.locator(".gper-slider")
    slider.click(position={"x": slider.bounding_box()["width"] * 0.8, "y": 20})
    page.wait_for_function(f"() => ({COMPARED})()[0].edge > 70")
    page.keyboard.press("End")
    (pair,) = page.evaluate(COMPARED)
    assert pair["edge"] == 100 and "100%" in pair["clip"]
    assert "all 3 steps done" in page.locator(".gper-live:visible").inner_text(), "the curve is not on the node"
    frontend.load_workflow(frontend.saved_workflow(), f"saved {nodes_2}")
    assert "all 3 steps done" in page.locator(".gper-live:visible").inner_text()
    assert frontend.errors == []
