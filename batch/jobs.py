"""Jobs: one row of the prompts file with one seed, under a key that says whether it has been done."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from .overrides import Override, overridden
from .prompts import SEED, Row
from .workflow import Workflow

KEY_LENGTH = 16
MAX_SEED = 2**64 - 1


@dataclass(frozen=True)
class Job:
    """key: made of the workflow, what is set in it, and the versions. row: of the prompts file, from 0.

    values: what is set, by slot name. models: equal for jobs that use the same models.
    """

    key: str
    row: int
    label: str
    seed: int | None
    values: dict[str, Any]
    models: str

    @property
    def about(self) -> str:
        label = self.label if len(self.label) <= 40 else f"{self.label[:39]}…"
        return f"{label!r}" + ("" if self.seed is None else f", seed {self.seed}")


def expand(
    workflow: Workflow, overrides: list[Override], rows: list[Row], seeds: int, versions: dict[str, str]
) -> list[Job]:
    """All jobs in the order of rows and seeds, those with the same models one after the other, none twice.

    seeds: how many for each row, counted up from the row's own or the workflow's. versions: of whatever else the
    result depends on.

    Raises:
        ValueError: a row lacks a value that `--set` uses, or has one of the wrong type.
    """
    slots = {override.slot: override for override in overrides}
    seeded = next((slot for slot, override in slots.items() if SEED in override.fields), None)
    if seeded is None and seeds > 1:
        raise ValueError("no input of the workflow takes the seed: name one with --set NODE.input={seed}, or --seeds 1")
    jobs: dict[str, Job] = {}
    for index, row in enumerate(rows):
        for offset in range(seeds):
            values = dict(row.values)
            if seeded is not None:
                first = row.values.get(SEED, workflow[seeded.node]["inputs"][seeded.input])
                first = int(first) if isinstance(first, str) and first.isdecimal() else first
                values[SEED] = ((first if isinstance(first, int) else 0) + offset) % (MAX_SEED + 1)
            changes = _values(workflow, overrides, row, values)
            changed = overridden(workflow, changes)
            key = job_key(changed, versions)
            job = Job(key, index, row.label, values.get(SEED) if seeded else None, changes, _models(changed))
            jobs.setdefault(key, job)
    order = {models: place for place, models in enumerate(dict.fromkeys(job.models for job in jobs.values()))}
    return sorted(jobs.values(), key=lambda job: order[job.models])


def _values(workflow: Workflow, overrides: list[Override], row: Row, values: dict[str, Any]) -> dict[str, Any]:
    changes = {}
    for override in overrides:
        absent = sorted(override.fields - values.keys())
        if absent and override.only_field:
            continue  # an empty cell: the workflow's own value stays
        if absent:
            raise ValueError(f"line {row.line} has no {', '.join(absent)}, which {override.slot.name} needs")
        present = workflow[override.slot.node]["inputs"][override.slot.input]
        try:
            changes[override.slot.name] = override.value(values, present)
        except ValueError as error:
            raise ValueError(f"line {row.line}: {error}" if override.fields else str(error)) from None
    return changes


def job_key(workflow: Workflow, versions: dict[str, str]) -> str:
    """The same for the same workflow and versions; titles do not count."""
    nodes = {node: [content["class_type"], content["inputs"]] for node, content in workflow.items()}
    text = json.dumps([nodes, versions], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def _models(workflow: Workflow) -> str:
    """What the nodes load that load something, and the demo world."""
    loaded = {
        node: content["inputs"]
        for node, content in workflow.items()
        if "Load" in content["class_type"] or content["class_type"] == "GPER_DemoWorld"
    }
    return hashlib.sha256(json.dumps(loaded, sort_keys=True).encode()).hexdigest()[:KEY_LENGTH]
