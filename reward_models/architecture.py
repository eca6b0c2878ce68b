"""What the shapes of a checkpoint do not tell: head counts, activation, epsilon.

They come from a JSON file beside the weights (`<file stem>.json`, or `config.json` in a folder as published by
Hugging Face), else from the published models' table of the loader. Field names are those of the library the
architecture comes from. Sizes are always read from the tensors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

# File names that carry no model name: what is known about the model stands in its folder.
GENERIC_STEMS = ("model", "pytorch_model", "open_clip_pytorch_model")


def read_config(path: Path) -> dict[str, Any]:
    """The fields given by the JSON file beside `path`; {} where there is none.

    Raises:
        ValueError: the JSON file is not a JSON object.
    """
    fields: dict[str, Any] = {}
    beside = path.with_suffix(".json")
    if not beside.is_file() and path.stem in GENERIC_STEMS:
        beside = path.with_name("config.json")
    if beside.is_file():
        try:
            fields = json.loads(beside.read_text(encoding="utf-8"))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(f"{beside} is not valid JSON: {error}.") from error
        if not isinstance(fields, dict):
            raise ValueError(f"{beside} must hold a JSON object with the model's configuration.")
    return fields


def section(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The nested fields `config[name]`, {} when absent.

    Raises:
        ValueError: it is not a table of fields.
    """
    fields = config.get(name) or {}
    if not isinstance(fields, Mapping):
        raise ValueError(f"The configuration's {name} must be a table of fields; got {fields!r}.")
    return dict(fields)


def pick(name: str, path: Path, config: Mapping[str, Any], published: Mapping[str, Any] | None) -> Any:
    """A field from the configuration, else from the published model's table.

    Args:
        name: of the field.
        path: of the weights, for the message.
        config: as `read_config` returns it, or a `section` of it.
        published: the same of the published model of these sizes; None where there is none.

    Raises:
        ValueError: the sizes are of no published model and the configuration does not have the field.
    """
    if name in config:
        return config[name]
    if published is not None and name in published:
        return published[name]
    raise ValueError(
        f"{path.name} has the sizes of no published model, and {name} cannot be read from its tensors. "
        f"Put it into {path.with_suffix('.json').name} beside the file."
    )


def count_layers(names: Iterable[str], pattern: str) -> int:
    """Number of layers: one more than the largest index captured by the regular expression `pattern`."""
    return max((int(match[1]) + 1 for name in names if (match := re.match(pattern, name))), default=0)
