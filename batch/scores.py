"""Scores of a job's pictures, from what the pack's nodes leave: noise files, score tables, reward histories."""

from __future__ import annotations

import json
import re
import struct
from typing import Any

Columns = dict[str, list[float | None]]  # by the name of the reward, one number for each picture

CURVE_POINTS = 40
TABLE_HEAD = "rank  picture"


def noise_scores(file: bytes) -> Columns:
    """The scores in the header of a noise file, the climbed reward's first; nothing where they are another noise's."""
    (length,) = struct.unpack("<Q", file[:8])
    header = json.loads(file[8 : 8 + length])["__metadata__"]
    if json.loads(header.get("variation", '""')):
        return {}
    return json.loads(header.get("scores", "{}"))


def joined(parts: list[Columns]) -> Columns:
    """The columns of several files one after the other; those that are not in all of them are left out."""
    names = [name for name in parts[0] if all(name in part for part in parts)] if parts else []
    return {name: [score for part in parts for score in part[name]] for name in names}


def table_scores(text: str) -> tuple[Columns, list[int]]:
    """Read a table of Score Images or Rank Results: scores in the order of the pictures, and the pictures, best first.

    Raises:
        ValueError: the text is no such table.
    """
    head, *lines = text.splitlines()
    if not head.startswith(TABLE_HEAD) or not lines:
        raise ValueError("this is no table of scores")
    names = re.split(r" {2,}", head[len(TABLE_HEAD) :].strip())
    order, rows = [], {}
    for line in lines:
        _, picture, *cells = re.split(r" {2,}", line.strip())
        order.append(int(picture) - 1)
        rows[order[-1]] = [None if cell == "not finite" else float(cell) for cell in cells[: len(names)]]
    columns = {name: [rows[picture][i] for picture in range(len(rows))] for i, name in enumerate(names)}
    return columns, order


def of_picture(columns: Columns, index: int) -> dict[str, float | None]:
    return {name: scores[index] for name, scores in columns.items()}


def curve_of(history: list[list[float | None]], index: int) -> list[float | None]:
    """The rewards of one picture over the run, (evaluations, B) in; at most CURVE_POINTS, the last one among them."""
    rewards = [row[index] for row in history]
    step = max(1, -(-len(rewards) // CURVE_POINTS))
    thinned = rewards[::-1][::step][::-1]
    return [None if reward is None else round(reward, 4) for reward in thinned]


def start_scores(history: list[list[float | None]], index: int, reward: str, live: dict[str, Any] | None) -> dict:
    """The reward of the start noise. live: the run as the server tells it; its parts are means over the pictures."""
    scores = {reward: history[0][index]}
    if live and len(history[0]) == 1 and live["history"]:
        scores.update(zip(live["curves"], live["history"][0], strict=False))
        scores[reward] = history[0][index]
    return scores
