"""Pick Images and Before and After: names of their files, copies on the page, and a board that is large enough."""

import re

import pytest
import torch

from reward_models.taste.pictures import LEAST
from tools.build_workflows import build
from tools.workflow_specs.parts import Column, Node, Workflow, ours
from tools.workflow_specs.taste_board import NOTE_TEXT, TASTE_BOARD

PICTURES = torch.rand(2, 8, 8, 3, generator=torch.Generator().manual_seed(3))
BOTH = Workflow(
    columns=[Column(300, [Node("one", "EmptyImage"), ours("pick", "PickImages"), ours("compare", "BeforeAndAfter")])],
    links=[
        ("one.IMAGE", "pick.images"),
        ("pick.liked", "compare.before"),
        ("pick.liked", "compare.after"),
    ],
)
COPY = """() => window.app.graph.nodes.filter(n => n.type.startsWith('GPER')).map(n => n.clone().type).sort()"""


@pytest.mark.parametrize("node, inputs", [("PickImages", ("",)), ("BeforeAndAfter", (PICTURES,))])
def test_each_run_has_files_of_its_own(node_classes, node, inputs):
    """After a restart the numbers begin anew, and a page shows what it has under a name."""
    ran = [node_classes[f"GPER_{node}"].execute(PICTURES, *inputs).ui for _ in range(2)]
    names = [
        {reference["filename"].partition("_")[0] for key in ui if "marks" not in key for reference in ui[key]}
        for ui in ran
    ]
    assert names[0] and not names[0] & names[1]


def test_the_board_has_enough_for_both_sides():
    (latent,) = (node for column in TASTE_BOARD.columns for node in column.nodes if node.key == "latent")
    fewest, most = map(int, re.search(r"\*\*(\d+) to (\d+)\*\*", NOTE_TEXT).groups())
    assert fewest == LEAST and latent.widgets["batch_size"] - most == LEAST


def test_they_can_be_copied_and_may_have_nothing_to_show(frontend):
    frontend.load_workflow(build(frontend, BOTH))
    for _ in range(2):  # the second run tells again of the node that was held back
        frontend.run()
    assert frontend.page.evaluate(COPY) == ["GPER_BeforeAndAfter", "GPER_PickImages"]
    assert frontend.errors == []
