"""What a job's workflow needs besides the user's, so that everything it finds out can be collected.

Every file gets a name of the job's own; the noise, the report and the score table are shown where the workflow leaves
them unused.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

from .workflow import Workflow, is_link, title, upstream

OPTIMIZER, SAVE_NOISE = "GPER_NoiseOptimizer", "GPER_SaveNoise"
SCORERS = {"GPER_ScoreImages": 2, "GPER_RankResults": 2}  # which output holds the table
NOISE, LATENT, REPORT, SHEET = range(4)  # the outputs of the Noise Optimizer
BEST, START, SHEETS = "best", "start", "sheet"
PREVIEW, SAVE, COMPARE = "PreviewImage", "SaveImage", "GPER_BeforeAndAfter"


@dataclass(frozen=True)
class Place:
    """What a node that saves pictures saves. optimizer: the Noise Optimizer that the pictures come from, if any."""

    node: str
    title: str
    role: str
    optimizer: str | None


def check_saves_pictures(workflow: Workflow) -> None:
    """Raises ValueError for a workflow that keeps no picture."""
    if not any(content["class_type"] in (PREVIEW, COMPARE) or saves_files(content) for content in workflow.values()):
        raise ValueError("the workflow saves no picture: end it with Save Image, and export it again")


def saves_files(content: dict) -> bool:
    """Whether a node, given as in a workflow, writes what people look at."""
    return "filename_prefix" in content["inputs"] and content["class_type"] != SAVE_NOISE


def collecting(workflow: Workflow, key: str) -> Workflow:
    """The workflow of the job `key`, ready to be queued; nodes that are added have ids that begin with batch."""
    ready = copy.deepcopy(workflow)
    keeps = any(saves_files(content) for content in ready.values())
    for node, content in workflow.items():
        if content["class_type"] == PREVIEW and not keeps:
            ready[node]["class_type"] = SAVE
            ready[node]["inputs"]["filename_prefix"] = ""
        elif content["class_type"] == COMPARE:
            for name in ("before",) if keeps else ("before", "after"):
                if is_link(content["inputs"].get(name)):
                    added = _node(SAVE, images=content["inputs"][name], filename_prefix="")
                    ready[f"batch {name} {node}"] = added | {"_meta": {"title": name}}
    used = {tuple(value) for node in ready.values() for value in node["inputs"].values() if is_link(value)}
    saved = {
        tuple(node["inputs"]["noise"])
        for node in ready.values()
        if node["class_type"] == SAVE_NOISE and is_link(node["inputs"].get("noise"))
    }
    # What nothing saved depends on shall not begin to run.
    saving = [node for node, content in ready.items() if "filename_prefix" in content["inputs"]]
    runs = {way for node in saving for way, _ in upstream(ready, node)}
    for node, content in workflow.items():
        kind = content["class_type"] if node in runs else None
        if kind == OPTIMIZER:
            if (node, NOISE) not in saved:
                ready[f"batch noise {node}"] = _node(SAVE_NOISE, noise=[node, NOISE], filename_prefix="")
            if (node, REPORT) not in used:
                ready[f"batch report {node}"] = _node("PreviewAny", source=[node, REPORT])
        elif kind in SCORERS:
            # Always one of its own: what a connected node shows of the table is not known.
            ready[f"batch table {node}"] = _node("PreviewAny", source=[node, SCORERS[kind]])
    for number, content in enumerate(ready.values()):
        if "filename_prefix" in content["inputs"]:
            content["inputs"]["filename_prefix"] = f"{key}/{number}"
    return ready


def _node(class_type: str, **inputs: object) -> dict:
    return {"class_type": class_type, "inputs": inputs, "_meta": {"title": "added by batch"}}


def places(ready: Workflow) -> list[Place]:
    """The nodes that save pictures and what they hold, best first."""
    optimizes = any(content["class_type"] == OPTIMIZER for content in ready.values())
    found = []
    for node, content in ready.items():
        if saves_files(content):
            role, optimizer = _origin(ready, node, optimizes)
            found.append(Place(node, title(ready, node), role, optimizer))
    if not any(place.role == BEST for place in found):  # sheets alone
        found = [Place(place.node, place.title, BEST, place.optimizer) for place in found]
    order = {BEST: 0, START: 1, SHEETS: 2}
    return sorted(found, key=lambda place: order[place.role])


def _origin(ready: Workflow, node: str, optimizes: bool) -> tuple[str, str | None]:
    """From the way back to the first node that draws a picture."""
    for source, output in upstream(ready, node):
        kind = ready[source]["class_type"]
        if kind == OPTIMIZER:
            return (SHEETS if output == SHEET else BEST), source
        if "Sampler" in kind and kind != "KSamplerSelect" and source != node:
            noise = ready[source]["inputs"].get("noise")
            ways = upstream(ready, noise[0], noise[1]) if is_link(noise) else upstream(ready, source)
            optimizer = next((way for way, _ in ways if ready[way]["class_type"] == OPTIMIZER), None)
            return (BEST, optimizer) if optimizer or not optimizes else (START, None)
    return BEST, None
