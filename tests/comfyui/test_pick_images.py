"""Pick Images: what its text means, and the pictures on the page."""

import pytest
import torch

from tools.build_workflows import build
from tools.workflow_specs.parts import Column, Node, Workflow, ours

RED, BLUE, GREEN = 0xC02020, 0x2020C0, 0x20C020
PICTURES = torch.rand(4, 24, 16, 3, generator=torch.Generator().manual_seed(3))

TWO_COLOURS = Workflow(
    columns=[
        Column(300, [Node(key, "EmptyImage", {"color": colour}) for key, colour in (("one", RED), ("two", BLUE))]),
        Column(300, [Node("both", "ImageBatch"), ours("pick", "PickImages")]),
        Column(300, [Node("liked", "PreviewImage"), Node("rest", "PreviewImage")]),
    ],
    links=[
        ("one.IMAGE", "both.image1"),
        ("two.IMAGE", "both.image2"),
        ("both.IMAGE", "pick.images"),
        ("pick.liked", "liked.images"),
        ("pick.rest", "rest.images"),
    ],
)
PRESSED = "() => [...document.querySelectorAll('.gper-choice')].map(b => b.ariaPressed === 'true')"
PAINT = """([type, colour]) => {
    window.app.graph.nodes.findLast(n => n.type === type).widgets.find(w => w.name === 'color').value = colour;
}"""


@pytest.fixture
def pick(node_classes):
    def run(text, images=PICTURES):
        answer = node_classes["GPER_PickImages"].execute(images, text)
        return *answer.args, answer.ui["gper_marks"]

    return run


def chosen(batch):
    return [i for i, picture in enumerate(PICTURES) for one in batch if torch.equal(picture, one)]


@pytest.mark.parametrize("text", ["2, 4", "4 2", "2,4,2", " 4,\n2 "])
def test_pictures_are_picked_by_number(pick, text):
    liked, rest, _ = pick(text)
    assert chosen(liked) == [1, 3] and chosen(rest) == [0, 2]


def test_a_pick_with_a_mark_counts_while_its_picture_is_the_same(pick):
    marks = pick("")[2]
    text = f"2:{marks[1]}, 3:{marks[2]}"
    assert chosen(pick(text)[0]) == [1, 2]
    nearly = PICTURES + 0.004 * torch.randn(PICTURES.shape, generator=torch.Generator().manual_seed(1))
    liked, _, again = pick(text, nearly.clamp(0, 1))
    assert len(liked) == 2 and again[1:3] == marks[1:3], "the page knows its own marks again"
    others = PICTURES.flip(0)
    liked, rest, _ = pick(text, others)
    assert liked.message is None and torch.equal(rest, others)
    assert chosen(pick(text, PICTURES[:2])[0]) == [1], "the batch became smaller"


def test_what_has_nothing_to_pass_on_waits_or_says_why(pick):
    liked, rest, _ = pick("")
    assert liked.message is None and torch.equal(rest, PICTURES)
    liked, rest, _ = pick("1, 2, 3, 4")
    assert torch.equal(liked, PICTURES) and "has no rest" in rest.message


def test_pictures_with_an_alpha_channel_and_broken_ones_can_be_picked(pick):
    broken = torch.cat([PICTURES, PICTURES[..., :1]], -1)
    broken[0] = torch.nan
    liked, rest, _ = pick("1", broken)
    assert liked.shape == (1, 24, 16, 4) and len(rest) == 3


@pytest.mark.parametrize("text", ["0", "5", "-1", "two", "1.5", ":ab", "²"])
def test_a_text_that_names_no_picture_is_refused(pick, text):
    with pytest.raises(ValueError, match=r"no picture .* 1 to 4, such as"):
        pick(text)


def test_an_empty_batch_is_refused(pick):
    with pytest.raises(ValueError, match="no picture to pick from"):
        pick("", PICTURES[:0])


def previews(server, frontend):
    """Run, and the colours of what the two previews show."""
    entry = frontend.run()
    types = {str(node["id"]): node["type"] for node in frontend.saved_workflow()["nodes"]}
    keys = sorted((key for key, type_ in types.items() if type_ == "PreviewImage"), key=int)
    shown = [server.images(entry, key) if key in entry["outputs"] else [] for key in keys]
    return [[picture.getpixel((0, 0)) for picture in pictures] for pictures in shown]


def rgb(colour):
    return tuple(colour.to_bytes(3, "big"))


@pytest.mark.parametrize("nodes_2", [False, True], ids=["classic", "nodes_2"])
def test_pictures_are_picked_on_the_page(server, frontend, nodes_2):
    workflow = build(frontend, TWO_COLOURS)
    frontend.use_nodes_2(nodes_2)
    frontend.errors.clear()
    frontend.load_workflow(workflow)
    page, choices = frontend.page, frontend.page.locator(".gper-choice")
    status = page.locator(".gper-pictures .gper-status")

    def pressed():
        return page.evaluate(PRESSED)

    assert previews(server, frontend) == [[], [rgb(RED), rgb(BLUE)]]
    frontend.fit_view()
    choices.nth(1).click()
    assert pressed() == [False, True] and "1 of 2 liked" in status.inner_text()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Space")
    assert pressed() == [True, True]
    page.keyboard.press("Enter")
    assert pressed() == [False, True]
    assert previews(server, frontend) == [[rgb(BLUE)], [rgb(RED)]]

    frontend.load_workflow(frontend.saved_workflow())
    assert pressed() == [False, True], "the choice is not saved, or the pictures are gone"
    assert previews(server, frontend) == [[rgb(BLUE)], [rgb(RED)]]

    page.evaluate(PAINT, ["EmptyImage", GREEN])
    assert previews(server, frontend) == [[], [rgb(RED), rgb(GREEN)]], "a pick was taken for another picture"
    assert pressed() == [False, False]
    assert frontend.errors == []
