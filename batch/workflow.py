"""Workflows in ComfyUI's API format: nodes by id, each with a class_type and its inputs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Workflow = dict[str, dict[str, Any]]


def load_workflow(path: Path) -> Workflow:
    """Read a workflow in API format.

    Raises:
        ValueError: there is no such file, it is no JSON, or it is in another format.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}: name a workflow in API format") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as JSON: {error}") from error
    if isinstance(found, dict) and isinstance(found.get("nodes"), list):
        raise ValueError(
            f"{path} is a workflow as the page saves it: open it in ComfyUI and choose Workflow > Export (API)"
        )
    nodes = isinstance(found, dict) and all(
        isinstance(node, dict) and isinstance(node.get("class_type"), str) and isinstance(node.get("inputs"), dict)
        for node in found.values()
    )
    if not nodes or not found:
        raise ValueError(f"{path} is no workflow in API format: choose Workflow > Export (API) in ComfyUI")
    return found


def is_link(value: Any) -> bool:
    """Tell whether the value of an input is another node's output: [node id, output]."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)


def title(workflow: Workflow, node: str) -> str:
    """What a node is called on the page."""
    return workflow[node].get("_meta", {}).get("title") or workflow[node]["class_type"]


def find_node(workflow: Workflow, name: str) -> str:
    """The id of the node with this id, title or class.

    Raises:
        ValueError: there is none, or several.
    """
    if name in workflow:
        return name
    found = [node for node in workflow if name in (title(workflow, node), workflow[node]["class_type"])]
    if len(found) > 1:
        raise ValueError(f"{len(found)} nodes are called {name!r}: name one by its number, {' or '.join(found)}")
    if not found:
        nodes = ", ".join(f"{node} ({title(workflow, node)})" for node in workflow)
        raise ValueError(f"the workflow has no node {name!r}; it has {nodes}")
    return found[0]


def upstream(workflow: Workflow, node: str, output: int | None = None) -> Iterator[tuple[str, int | None]]:
    """Yield a node and all that it depends on, nearest first, each with the output that is used.

    output: that of the first one.
    """
    waiting, seen = [(node, output)], {(node, output)}
    for place in waiting:
        if place[0] not in workflow:
            continue
        yield place
        for value in workflow[place[0]]["inputs"].values():
            if is_link(value) and tuple(value) not in seen:
                seen.add(tuple(value))
                waiting.append(tuple(value))
