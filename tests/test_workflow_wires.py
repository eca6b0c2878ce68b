"""The wires of the saved workflows as the page draws them: the noise's way to the picture can be followed by finger."""

import numpy as np
import pytest

from tools.workflow_files import read, saved_workflows
from tools.workflow_specs.parts import TITLE

ROW = 20  # pixels from slot to slot
POINTS = np.linspace(0, 1, 42)[:, None]
THREE_RUNS = "compare_methods"  # three optimizers on the same wires, side by side
SHARE = 1.7  # crossings for each wire, at most


class Wire:
    """A link: its ends, its type, and points (42, 2) of the curve that the classic page draws."""

    def __init__(self, link, nodes):
        _, origin, output, target, slot, self.type = link
        self.origin, self.target = nodes[origin], nodes[target]
        self.source = (origin, output)
        inputs = self.target["inputs"]
        sockets = [name for name in inputs if "widget" not in name]  # those of widgets come after them
        row = sockets.index(inputs[slot]) if inputs[slot] in sockets else len(sockets)
        start = np.array([self.origin["pos"][0] + self.origin["size"][0], self.origin["pos"][1] + (output + 0.7) * ROW])
        end = np.array([self.target["pos"][0], self.target["pos"][1] + (row + 0.7) * ROW])
        self.forward = start[0] < end[0]
        bend = np.array([np.linalg.norm(end - start) / 4, 0])
        weights = [(1 - POINTS) ** 3, 3 * (1 - POINTS) ** 2 * POINTS, 3 * (1 - POINTS) * POINTS**2, POINTS**3]
        self.points = sum(w * p for w, p in zip(weights, (start, start + bend, end - bend, end), strict=True))

    def on_the_way(self):
        """Whether the noise, or the picture that it becomes, goes here."""
        decoded = self.type == "LATENT" and self.target["type"] == "VAEDecode"
        given = self.origin["type"] in ("LoadImage", "ImageScale")
        return self.type in ("NOISE", "IMAGE") and not given or decoded

    def crosses(self, other):
        if self.source == other.source:
            return False
        a, b, c, d = self.points[:-1, None], self.points[1:, None], other.points[None, :-1], other.points[None, 1:]
        return bool(((side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0)).any())

    def runs_under(self, node):
        if node is self.origin or node is self.target:
            return False
        (x, y), (width, height) = node["pos"], node["size"]
        inside = (self.points > (x, y - TITLE)) & (self.points < (x + width, y + height))
        return bool(inside.all(-1).any())

    def __repr__(self):
        return f"{self.type} from {self.origin['type']} to {self.target['type']}"


def side(a, b, c):
    (x, y), (u, v) = np.moveaxis(b - a, -1, 0), np.moveaxis(c - a, -1, 0)
    return x * v - y * u


@pytest.fixture(params=[path for path in saved_workflows() if path.stem != THREE_RUNS], ids=lambda path: path.stem)
def workflow(request):
    return read(request.param)


@pytest.fixture
def wires(workflow):
    nodes = {node["id"]: node for node in workflow["nodes"]}
    return [Wire(link, nodes) for link in workflow["links"]]


def test_the_way_from_noise_to_picture_is_in_sight(workflow, wires):
    way = [wire for wire in wires if wire.on_the_way()]
    hidden = [(wire, node["type"]) for wire in way for node in workflow["nodes"] if wire.runs_under(node)]
    assert way and hidden == []
    assert [wire for wire in way if not wire.forward] == []


def test_few_wires_cross(wires):
    crossings = sum(wire.crosses(other) for i, wire in enumerate(wires) for other in wires[:i])
    assert crossings <= SHARE * len(wires)


def test_crossings_are_counted():
    def node(number, x, y):
        return {"id": number, "type": "A", "pos": [x, y], "size": [100, 60], "inputs": [{"name": "in"}]}

    nodes = {n["id"]: n for n in (node(1, 0, 0), node(2, 0, 200), node(3, 400, 0), node(4, 400, 200), node(5, 200, 0))}
    straight, down, up = (Wire([0, a, 0, b, 0, "NOISE"], nodes) for a, b in ((1, 3), (1, 4), (2, 3)))
    assert down.crosses(up) and not straight.crosses(down) and not straight.crosses(up)
    assert straight.runs_under(nodes[5]) and not Wire([0, 2, 0, 4, 0, "NOISE"], nodes).runs_under(nodes[5])
    assert straight.forward and not Wire([0, 3, 0, 1, 0, "NOISE"], nodes).forward
