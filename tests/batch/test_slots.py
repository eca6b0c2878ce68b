"""Where prompts and seeds go, in the shipped workflows and in ones made by others."""

from pathlib import Path

import pytest

from batch.slots import Slot, prompt_slots, seed_slots
from batch.workflow import find_node, load_workflow, upstream

API = Path(__file__).parents[2] / "workflows" / "api"


def node(class_type, **inputs):
    return {"class_type": class_type, "inputs": inputs}


def names(slots):
    return [slot.name for slot in slots]


@pytest.mark.parametrize(
    "workflow, prompts, seeds",
    [
        ("demo", ["8.prompt"], ["4.noise_seed"]),
        ("best_of_seeds", ["11.prompt"], ["4.noise_seed"]),
        ("compare_methods", ["9.prompt", "12.prompt", "15.prompt"], ["4.noise_seed"]),
        ("flux_schnell_mixed_rewards", ["3.text", "13.prompt"], ["5.noise_seed"]),
        ("ranked_seeds", ["8.prompt", "12.prompts"], ["5.first"]),
    ],
)
def test_of_the_shipped_workflows(workflow, prompts, seeds):
    loaded = load_workflow(API / f"{workflow}.json")
    assert names(prompt_slots(loaded)) == prompts
    assert names(seed_slots(loaded)) == seeds


def classic():
    return {
        "1": node("CheckpointLoaderSimple", ckpt_name="a"),
        "2": node("CLIPTextEncode", text="a fox", clip=["1", 1]),
        "3": node("CLIPTextEncode", text="blurry", clip=["1", 1]),
        "4": node("KSampler", model=["1", 0], seed=5, positive=["2", 0], negative=["3", 0]),
        "5": node("SaveImage", images=["4", 0], filename_prefix="a"),
    }


def test_the_negative_prompt_is_left_alone():
    assert names(prompt_slots(classic())) == ["2.text"]
    assert names(seed_slots(classic())) == ["4.seed"]


def test_a_text_that_is_positive_somewhere_counts():
    """Models without negative prompts are often given the positive one, zeroed, as the negative."""
    workflow = classic()
    workflow["3"] = node("ConditioningZeroOut", conditioning=["2", 0])
    assert names(prompt_slots(workflow)) == ["2.text"]


def test_texts_and_seeds_of_their_own_nodes():
    workflow = classic()
    workflow["2"]["inputs"]["text"] = ["6", 0]
    workflow["4"]["inputs"]["seed"] = ["7", 0]
    workflow |= {"6": node("PrimitiveStringMultiline", value="a fox"), "7": node("PrimitiveInt", value=3)}
    assert names(prompt_slots(workflow)) == ["6.value"]
    assert names(seed_slots(workflow)) == ["7.value"]


def test_what_leads_nowhere_is_no_slot():
    workflow = classic()
    workflow["2"]["inputs"]["text"] = ["8", 0]
    workflow["8"] = node("SomethingElse", words=["8", 0])
    assert prompt_slots(workflow) == []


def test_several_texts_of_one_encoder():
    workflow = {"1": node("CLIPTextEncodeFlux", clip_l="a", t5xxl="b", guidance=3.5)}
    assert prompt_slots(workflow) == [Slot("1", "clip_l"), Slot("1", "t5xxl")]


def test_nodes_by_number_title_and_class():
    workflow = classic()
    workflow["2"]["_meta"] = {"title": "Positive"}
    assert [find_node(workflow, name) for name in ("4", "Positive", "KSampler")] == ["4", "2", "4"]
    with pytest.raises(ValueError, match="2 nodes are called 'CLIPTextEncode'.* 2 or 3"):
        find_node(workflow, "CLIPTextEncode")
    with pytest.raises(ValueError, match="no node 'Loader'"):
        find_node(workflow, "Loader")


def test_upstream_comes_nearest_first_and_ends_in_circles():
    workflow = {"a": node("A", x=["b", 0]), "b": node("B", x=["c", 1], y=["a", 0]), "c": node("C")}
    assert list(upstream(workflow, "a")) == [("a", None), ("b", 0), ("c", 1), ("a", 0)]
