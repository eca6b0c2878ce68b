"""Where a workflow takes its prompt and its seed, when nobody says it."""

from __future__ import annotations

from dataclasses import dataclass

from .workflow import Workflow, is_link, title, upstream

PACK_PROMPTS = {"GPER_NoiseOptimizer": "prompt", "GPER_ScoreImages": "prompt", "GPER_RankResults": "prompts"}
TEXTS = ("text", "prompt", "text_g", "text_l", "clip_l", "t5xxl")  # of CLIPTextEncode and its kin
NEGATIVE = "negative"
SEEDS = ("noise_seed", "seed")
SEEDED = ("RandomNoise", "KSampler", "SamplerCustom")  # how the class of a node begins that draws the noise


@dataclass(frozen=True)
class Slot:
    """An input of a node."""

    node: str
    input: str

    @property
    def name(self) -> str:
        return f"{self.node}.{self.input}"

    def described(self, workflow: Workflow) -> str:
        return f"{self.name} ({title(workflow, self.node)})"


def prompt_slots(workflow: Workflow) -> list[Slot]:
    """The texts that the picture is made from, without negative ones, and what the pack's rewards read."""
    negative = _negative_encoders(workflow)
    slots = []
    for node, content in workflow.items():
        kind = content["class_type"]
        if "TextEncode" in kind and node not in negative:
            slots += [_source(workflow, Slot(node, name), str) for name in TEXTS if name in content["inputs"]]
        elif PACK_PROMPTS.get(kind) in content["inputs"]:
            slots.append(_source(workflow, Slot(node, PACK_PROMPTS[kind]), str))
    return list(dict.fromkeys(slot for slot in slots if slot))


def seed_slots(workflow: Workflow) -> list[Slot]:
    """The seeds of the nodes that draw noise; where a Seed List gives them, its first one."""
    slots = []
    for node, content in workflow.items():
        if content["class_type"].startswith(SEEDED):
            slots += [_source(workflow, Slot(node, name), int) for name in SEEDS if name in content["inputs"]]
    return list(dict.fromkeys(slot for slot in slots if slot))


def _negative_encoders(workflow: Workflow) -> set[str]:
    """Nodes that only a negative input uses."""
    positive, negative = set(), set()
    for content in workflow.values():
        for name, value in content["inputs"].items():
            if is_link(value) and value[0] in workflow:
                if name == NEGATIVE:
                    negative |= {node for node, _ in upstream(workflow, value[0])}
                elif name in ("positive", "conditioning"):
                    positive |= {node for node, _ in upstream(workflow, value[0])}
    return negative - positive


def _source(workflow: Workflow, slot: Slot, kind: type) -> Slot | None:
    """The slot itself where it holds a value, else the one that feeds it: a primitive, or a list's first entry."""
    for _ in range(len(workflow)):
        value = workflow[slot.node]["inputs"].get(slot.input)
        if not is_link(value):
            return slot if isinstance(value, kind) and not isinstance(value, bool) else None
        node = value[0]
        inputs = workflow.get(node, {}).get("inputs", {})
        names = ("value", "text", "string", "prompts") if kind is str else ("value", "first", *SEEDS)
        slot = next((Slot(node, name) for name in names if name in inputs), None)
        if slot is None:
            return None
    return None
