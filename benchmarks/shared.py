"""What the benchmarks do alike: command lines, a clock, JSON, and tables in Markdown."""

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from runs.whole_files import write_text_whole

GIB = 2**30


def command_line(module: str, document: str) -> argparse.ArgumentParser:
    """A parser with --json. module: below `benchmarks`. document: its docstring, shown by --help."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{module}", description=document,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers to this file")
    return parser


def write_json(path: Path | None, value: object) -> None:
    """Nothing without a path."""
    if path is not None:
        write_text_whole(path, json.dumps(value, indent=1) + "\n")


def now(device: torch.device) -> float:
    """Elapsed seconds; on a CPU with one thread those of this process, so that other work hardly counts."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif torch.get_num_threads() == 1:
        return time.process_time()
    return time.perf_counter()


def text(value: float | None, form: str, unit: str = "") -> str:
    """For a cell; empty where there is no value."""
    return "" if value is None else f"{value:{form}}{unit}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown."""
    return "\n".join([_line(head), "|" + "---|" * len(head), *map(_line, rows)])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
