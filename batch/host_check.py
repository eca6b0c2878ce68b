"""Does a workflow fit a ComfyUI? From what its /object_info says, before anything runs."""

from __future__ import annotations

from typing import Any

from .workflow import Workflow, is_link, title

MOST_LISTED = 5


def problems(workflow: Workflow, object_info: dict[str, Any]) -> list[str]:
    """What keeps the workflow from running, in a line each; empty where nothing does.

    Unknown nodes, missing inputs, links that lead nowhere, files and choices that are not there, numbers out of range.
    """
    found = []
    for node, content in workflow.items():
        where = f"node {node} ({title(workflow, node)})"
        known = object_info.get(content["class_type"])
        if known is None:
            found.append(f"{where}: this ComfyUI has no node {content['class_type']}: install the pack that brings it")
            continue
        inputs = {**known["input"].get("required", {}), **known["input"].get("optional", {})}
        for name in known["input"].get("required", {}):
            # Inputs that grow are required under a name of which only NAME.0 and the like are there.
            if name not in content["inputs"] and not any(given.startswith(f"{name}.") for given in content["inputs"]):
                found.append(f"{where}: {name} is missing")
        for name, value in content["inputs"].items():
            problem = _problem(workflow, inputs.get(name), value)
            if problem:
                found.append(f"{where}: {name} {problem}")
    return found


def _problem(workflow: Workflow, spec: list | None, value: Any) -> str | None:
    if is_link(value):
        return None if value[0] in workflow else f"comes from node {value[0]}, which is not there"
    if not spec:
        return None
    kind, settings = spec[0], (spec[1] if len(spec) > 1 else {})
    options = kind if isinstance(kind, list) else settings.get("options") if kind == "COMBO" else None
    if options is not None and all(isinstance(option, (str, int, float)) for option in options):
        if settings.get("multiselect") or value in options:
            return None
        some = ", ".join(map(str, options[:MOST_LISTED])) + (", ..." if len(options) > MOST_LISTED else "")
        return f"is {value!r}, which is not there; there is {some or 'none'}"
    if kind in ("INT", "FLOAT") and isinstance(value, (int, float)):
        if value < settings.get("min", value) or value > settings.get("max", value):
            return f"is {value}, it goes from {settings.get('min')} to {settings.get('max')}"
    elif kind in ("INT", "FLOAT"):
        return f"is {value!r}, not a number"
    return None
