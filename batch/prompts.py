"""The file of prompts: a text file, or CSV or JSONL with a column for each override."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROMPT, SEED = "prompt", "seed"  # the columns that need not be named by --set


@dataclass(frozen=True)
class Row:
    """What one line of the file asks for. line: its number, from 1. values: by the name of the column."""

    line: int
    values: dict[str, Any]

    @property
    def label(self) -> str:
        """The prompt; without one, the other values."""
        text = self.values.get(PROMPT)
        return text if text else ", ".join(f"{name} {value}" for name, value in self.values.items() if name != SEED)


def read_rows(path: Path) -> list[Row]:
    """Read a file of prompts; the suffix decides: .csv, .jsonl, anything else is text, a prompt each line.

    Raises:
        ValueError: there is no such file, it cannot be read, or it holds no prompt.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}: name a text with a prompt each line, a CSV or a JSONL") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as UTF-8 text: {error}") from error
    kind = path.suffix.lower()
    if kind == ".csv":
        rows = _csv_rows(path, text)
    elif kind in (".jsonl", ".ndjson"):
        rows = _jsonl_rows(path, text)
    else:
        lines = enumerate(text.splitlines(), 1)
        rows = [Row(number, {PROMPT: line.strip()}) for number, line in lines if line.strip()]
    if not rows:
        raise ValueError(f"{path} holds no prompt: write one each line")
    return rows


def _csv_rows(path: Path, text: str) -> list[Row]:
    reader = csv.reader(io.StringIO(text, newline=""))
    columns: list[str] = []
    rows = []
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        if not columns:
            columns = [cell.strip() for cell in cells]
            _check_columns(path, columns)
            continue
        if len(cells) > len(columns):
            raise ValueError(
                f"line {reader.line_num} of {path} has {len(cells)} cells, its first line names {len(columns)} "
                'columns: put a text with commas in it between quotes, "like, this"'
            )
        values = {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if cell.strip()}
        rows.append(_checked(path, Row(reader.line_num, values), columns))
    return rows


def _check_columns(path: Path, columns: list[str]) -> None:
    if "" in columns or len(set(columns)) < len(columns):
        raise ValueError(f"the first line of {path} has to name each column once, it says {', '.join(columns)}")


def _jsonl_rows(path: Path, text: str) -> list[Row]:
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError as error:
            raise ValueError(f"line {number} of {path} is no JSON: {error}") from error
        if not isinstance(values, dict) or not values:
            raise ValueError(f'line {number} of {path} is no JSON object such as {{"prompt": "a fox"}}')
        for name, value in values.items():
            if not isinstance(value, (str, int, float, bool)):
                raise ValueError(f"line {number} of {path}: {name} is neither a text, nor a number, nor true or false")
        rows.append(_checked(path, Row(number, values), list(values)))
    return rows


def _checked(path: Path, row: Row, columns: list[str]) -> Row:
    """Refuse a row whose prompt is empty though there is a column for it, and a seed that is no whole number."""
    prompt = row.values.get(PROMPT)
    if PROMPT in columns and (not isinstance(prompt, str) or not prompt.strip()):
        raise ValueError(f"the prompt in line {row.line} of {path} is empty")
    seed = row.values.get(SEED)
    if seed is not None and not (str(seed).isdecimal() and int(seed) < 2**64):
        raise ValueError(f"the seed in line {row.line} of {path} is {seed!r}: give a whole number from 0")
    return row
