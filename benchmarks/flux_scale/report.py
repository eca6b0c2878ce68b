"""The numbers as a table, as JSON, and as a page."""

import datetime
import json
import platform
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch

from runs.whole_files import write_text_whole

from ..memory_tables import card_table, estimate_table
from ..shared import DOCS, GIB, filled, table_of, template, write_json
from .geometry import Geometry

TEMPLATE = Path(__file__).with_name("page.md")
NAMES = {
    "plain": "forward, decode, reward; no gradient",
    "projection": "of which the projector, per step",
    "keep": "ascent step, *keep*",
    "recompute": "ascent step, *recompute*",
    "recompute, TAESD": "ascent step, *recompute*, decoding by TAESD",
    "diffusers, keep": "ReNO-style step on diffusers",
    "diffusers, checkpointing": "ReNO-style step on diffusers, its gradient checkpointing",
}
PEERS = {"keep": "diffusers, keep", "recompute": "diffusers, checkpointing"}
COLUMNS = {
    "picture": "{batch} x {side}²", "variant": "{label}", "s / step": "{said_seconds}",
    "times plain": "{said_times_plain}", "memory": "{peak_gib:.2f} GiB", "estimate": "{estimate_of_peak:.2f}",
    "time / peer": "{seconds_of_peer:.2f}", "memory / peer": "{peak_of_peer:.2f}",
    "of peak": "{share_of_matmul_peak:.0%}",
}


@dataclass
class Result:
    """One variant at one size, and what was measured of it.

    passes: through the transformer per step, in forward passes. seconds: of each measured step. peak_bytes: beside the
    weights, of the tensors of one step. estimated_bytes: what the pack reckoned with. kept: what it kept for the
    backward pass, in words. resident: share of the transformer's weights that were on the device.
    """

    name: str
    side: int
    batch: int
    tokens: int
    passes: float
    seconds: list[float] = field(default_factory=list)
    peak_bytes: int = 0
    estimated_bytes: float = 0.0
    kept: str = ""
    resident: float = 1.0
    gradient_difference: float = 0.0

    @property
    def median(self) -> float | None:
        return statistics.median(self.seconds) if self.seconds else None


def rows_of(results: list[Result], token_weights: int, peak: float) -> list[dict]:
    """A row for each result, beside what it is compared with. token_weights: that every token meets. peak: FLOP/s."""
    found = {(result.name, result.side, result.batch): result for result in results}
    rows = []
    for result in results:
        seconds = result.median
        plain = found.get(("plain", result.side, result.batch)) if result.name in NAMES else None
        row = {
            "variant": result.name,
            "side": result.side,
            "batch": result.batch,
            "seconds": seconds,
            "repeats": result.seconds,
            "peak_gib": result.peak_bytes / GIB or None,
            "estimate_of_peak": _ratio(result.estimated_bytes, result.peak_bytes),
            "kept": result.kept,
            "times_plain": _ratio(seconds, plain and plain.median),
            "weights_resident": result.resident,
        }
        if peer := found.get((PEERS.get(result.name), result.side, result.batch)):
            row["seconds_of_peer"] = _ratio(seconds, peer.median)
            row["peak_of_peer"] = _ratio(result.peak_bytes, peer.peak_bytes)
            row["gradient_differs_from_peer"] = result.gradient_difference
        if seconds and result.passes:
            achieved = 2 * token_weights * result.tokens * result.passes / seconds
            row |= {"transformer_tflops": achieved / 1e12, "share_of_matmul_peak": achieved / peak}
        rows.append(row)
    return rows


def _ratio(value: float | None, base: float | None) -> float | None:
    return value / base if value and base else None


def table(rows: list[dict]) -> str:
    """As on the page, in Markdown."""
    return table_of(COLUMNS, map(_in_words, rows))


def _in_words(row: dict) -> dict:
    label = NAMES.get(row["variant"], f"{row['variant']}: {row['kept'] or 'nothing fits'}")
    if row["weights_resident"] < 0.995:
        label += f" ({row['weights_resident']:.0%} of the transformer on the device)"
    times_plain = "{times_plain:.4f}" if row["variant"] == "projection" else "{times_plain:.2f}"
    return row | {"label": label, "said_times_plain": filled(times_plain, row),
                  "said_seconds": filled("{seconds:.3g}", row) or "out of memory"}


def write(rows: list[dict], weights: dict[str, int], peak: float, geometry: Geometry, dtype: torch.dtype,
          device: torch.device, path: Path | None) -> None:
    """Write the JSON to `path`, and the page beside it; nothing without a path."""
    if path is None:
        return
    cuda = device.type == "cuda"
    facts = {
        "command": "python -m benchmarks.flux_scale " + " ".join(sys.argv[1:]),
        "date": datetime.date.today().isoformat(),
        "machine": torch.cuda.get_device_name() if cuda else _processor() + ", one thread",
        "clock": "wall" if cuda else "processor seconds of the process",
        "torch": torch.__version__,
        "dtype": str(dtype).removeprefix("torch."),
        "geometry": vars(geometry),
        **weights,
        "matmul_peak_tflops": peak / 1e12,
    }
    write_json(path, {**facts, "rows": rows})
    write_text_whole(path.with_suffix(".md"), page(facts, rows))


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def page(facts: dict, rows: list[dict]) -> str:
    """Of the facts and rows of the JSON."""
    cuda, parts = facts["clock"] == "wall", template(TEMPLATE)
    repeats = [row["repeats"] for row in rows if row["variant"] != "projection" and row["repeats"]]
    estimates, cards = (json.loads((DOCS / f"{name}.json").read_text(encoding="utf-8"))
                        for name in ("memory_estimate", "cards"))
    return parts["page"].format(
        billions=facts["parameters"] / 1e9,
        table=table(rows),
        missing="" if cuda else parts["no_gpu"],
        counted="by the allocator" if cuda else
        "counted operation by operation, without what a kernel needs inside itself",
        enforced="the allocator gives no more" if cuda else "on the CPU this only steers what is kept",
        order="in which the variants of each side took turns, with PyTorch's own allocator and\n"
        "  without ComfyUI's dynamic VRAM" if cuda else "in which the variants took turns",
        scatter=max((max(seconds) / min(seconds) - 1 for seconds in repeats), default=0.0),
        estimates=estimate_table(estimates["gib"]),
        cards=card_table(cards),
        difference=max(row.get("gradient_differs_from_peer", 0.0) for row in rows),
        **facts,
    )
