"""The saved workflows and blueprints of the pack, and what is in such a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .archive import ROOT

FOLDER = ROOT / "workflows"


def saved_workflows() -> list[Path]:
    """Return the files that ComfyUI offers as templates, sorted."""
    return sorted(FOLDER.glob("*.json"))


def api_twin(workflow: Path) -> Path:
    """Return where the API prompt of a saved workflow is kept."""
    return workflow.parent / "api" / workflow.name


def blueprint_file(name: str) -> Path:
    """Return where ComfyUI looks for the subgraph that it offers under this name."""
    return ROOT / "subgraphs" / f"{name}.json"


def read(file: Path) -> dict[str, Any]:
    """Read a workflow or an API prompt."""
    return json.loads(file.read_text(encoding="utf-8"))


def all_nodes(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the nodes of a saved workflow and of its subgraphs."""
    subgraphs = (workflow.get("definitions") or {}).get("subgraphs", [])
    return [node for graph in (workflow, *subgraphs) for node in graph["nodes"]]


def models_to_download(workflow: dict[str, Any]) -> list[dict[str, str]]:
    """Return the models that a saved workflow names with where to get them and the folder they belong in."""
    return [model for node in all_nodes(workflow) for model in node.get("properties", {}).get("models", [])]
