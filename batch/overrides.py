"""What a job sets in the workflow: `--set NODE.input=VALUE` and the columns of the prompts file."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .prompts import PROMPT, SEED, Row
from .slots import Slot, prompt_slots, seed_slots
from .workflow import Workflow, find_node, is_link

FIELD = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class Override:
    """A slot, and the text of its value, in which {prompt}, {seed} and {column} stand for those of the job.

    fields: the names that stand for something; other braces are text.
    """

    slot: Slot
    template: str
    fields: frozenset[str]

    @classmethod
    def of(cls, slot: Slot, template: str, known: Iterable[str]) -> Override:
        """known: the names that may stand in braces."""
        return cls(slot, template, frozenset(FIELD.findall(template)) & {*known, PROMPT, SEED})

    @property
    def only_field(self) -> str | None:
        """The name in braces where the template is nothing else."""
        found = FIELD.fullmatch(self.template)
        return found[1] if found and found[1] in self.fields else None

    def value(self, values: dict[str, Any], present: Any) -> Any:
        """The value for a job, of the type of the one that is there at present.

        Raises:
            ValueError: it is no number where there was one, or the like.
        """

        def filled(found: re.Match) -> str:
            return str(values[found[1]]) if found[1] in self.fields else found[0]

        given = values[self.only_field] if self.only_field else FIELD.sub(filled, self.template)
        return as_type_of(present, given, self.slot.name)


def parse_set(text: str, workflow: Workflow, columns: Iterable[str]) -> Override:
    """Read one `--set`.

    Raises:
        ValueError: it has another form, or names a node, an input or a column that is not there.
    """
    target, equals, template = text.partition("=")
    if not equals or "." not in target:
        raise ValueError(f"--set {text}: write NODE.input=VALUE, for example 6.text={{prompt}}")
    override = Override.of(find_slot(target, workflow), template, columns)
    if FIELD.fullmatch(template) and not override.fields:
        known = ", ".join(dict.fromkeys([PROMPT, SEED, *columns]))
        raise ValueError(f"--set {text}: there is no column of that name, only {known}")
    return override


def find_slot(target: str, workflow: Workflow) -> Slot:
    """The slot that NODE.input names. Raises ValueError where there is none."""
    name, _, field = target.strip().rpartition(".")
    node = find_node(workflow, name)
    if field not in workflow[node]["inputs"]:
        inputs = ", ".join(workflow[node]["inputs"])
        raise ValueError(f"node {node} ({workflow[node]['class_type']}) has no input {field!r}; it has {inputs}")
    return Slot(node, field)


def find_overrides(workflow: Workflow, sets: list[str], rows: list[Row]) -> list[Override]:
    """What each job sets: the columns that name a slot, what `--set` names, and prompt and seed where they are found.

    Raises:
        ValueError: a name leads nowhere, or nothing takes the prompt.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row.values))
    overrides = [parse_set(text, workflow, columns) for text in sets]
    used = set().union(*(override.fields for override in overrides))
    for column in columns:
        if column in (PROMPT, SEED) or column in used:
            continue
        if "." not in column:
            raise ValueError(
                f"nothing takes the column {column!r}: call it NODE.input, or use it in --set NODE.input={{{column}}}"
            )
        overrides.append(Override.of(find_slot(column, workflow), f"{{{column}}}", columns))
    for field, found in ((PROMPT, prompt_slots), (SEED, seed_slots)):
        if field not in used and (field == SEED or PROMPT in columns):
            named = {override.slot for override in overrides}
            overrides += [Override.of(slot, f"{{{field}}}", ()) for slot in found(workflow) if slot not in named]
    if PROMPT in columns and not any(PROMPT in override.fields for override in overrides):
        raise ValueError("no input of the workflow takes the prompt: name one with --set NODE.input={prompt}")
    slots = [override.slot for override in overrides]
    twice = next((slot for slot in slots if slots.count(slot) > 1), None)
    if twice:
        raise ValueError(f"{twice.name} is set twice")
    return overrides


def as_type_of(present: Any, given: Any, name: str) -> Any:
    """`given` as the type that the input has now; a link gives way to whatever the text means as JSON."""
    if isinstance(present, str):
        return str(given)
    text = str(given).strip()
    if isinstance(present, bool):
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise ValueError(f"{name} takes true or false, not {given!r}")
    if isinstance(present, (int, float)):
        try:
            return int(text) if isinstance(present, int) and "." not in text else float(text)
        except ValueError:
            raise ValueError(f"{name} takes a number, not {given!r}") from None
    if not isinstance(given, str) or not is_link(present):
        return given
    try:
        value = json.loads(text)
    except ValueError:
        return given
    return value if isinstance(value, (int, float, bool)) else given


def overridden(workflow: Workflow, values: dict[str, Any]) -> Workflow:
    """A copy of the workflow with new values, by slot name."""
    changed = copy.deepcopy(workflow)
    for name, value in values.items():
        node, _, field = name.rpartition(".")
        changed[node]["inputs"][field] = value
    return changed
