"""What the benchmarks do alike: command lines, clocks, JSON, and pages with tables in Markdown."""

import argparse
import hashlib
import json
import platform
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import torch

from runs.whole_files import write_text_whole

GIB = 2**30
DOCS = Path(__file__).resolve().parents[1] / "docs"


def command_line(module: str, document: str, json: bool = True) -> argparse.ArgumentParser:
    """A parser. module: below `benchmarks`. document: its docstring, shown by --help. json: whether it has --json."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{module}", description=document,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    if json:
        parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers to this file")
    return parser


def write_json(path: Path | None, value: object) -> None:
    """Nothing without a path."""
    if path is not None:
        write_text_whole(path, json.dumps(value, indent=1) + "\n")


def digest(*parts: object) -> str:
    """Eight hexadecimal digits, the same for parts that `repr` writes alike: for names of files."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]


def machine() -> dict[str, str]:
    """What the numbers were measured on."""
    found = {"processor": platform.processor() or platform.machine(), "torch": torch.__version__}
    return found | ({"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {})


def now(device: torch.device) -> float:
    """Elapsed seconds; on a CPU with one thread those of this process, so that other work hardly counts."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif torch.get_num_threads() == 1:
        return time.process_time()
    return time.perf_counter()


def least_milliseconds(calls: Sequence[Callable[[], object]], repeats: int, device: torch.device) -> list[float]:
    """Of each call, by `now`: they are timed in turn, after two rounds of warm-up."""
    rounds = []
    for _ in range(repeats + 2):
        moments = [now(device)]
        for call in calls:
            call()
            moments.append(now(device))
        rounds.append([1e3 * (after - before) for before, after in zip(moments, moments[1:], strict=False)])
    return [min(seconds) for seconds in zip(*rounds[2:], strict=True)]


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """In Markdown."""
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(tuple(head)), *lines[1:]])


def table_of(columns: Mapping[str, str], rows: Iterable[dict]) -> str:
    """A table of dicts. columns: by head, what a cell holds, such as "{seconds:.2f} s"; see `filled`."""
    return table(columns, [[filled(form, row) for form in columns.values()] for row in rows])


def filled(form: str, row: dict) -> str:
    """The form with values of the row in its fields; empty where the row has none for one of them, or None."""
    try:
        return form.format_map({name: value for name, value in row.items() if value is not None})
    except KeyError:
        return ""


def template(path: Path) -> dict[str, str]:
    """The parts of a Markdown file, each with fields to fill in, by their names, which stand above: `<!-- name -->`."""
    parts = re.split(r"^<!-- (\w+) -->\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))
