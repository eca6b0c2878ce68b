"""The numbers as a table, as JSON, and as a page."""

import datetime
import json
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from runs.whole_files import write_text_whole

from .. import shared
from ..memory_tables import card_table, estimate_table
from ..shared import GIB, text
from .geometry import Geometry
from .measuring import Samples

DOCS = Path(__file__).resolve().parents[2] / "docs"
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
HEAD = ("picture", "variant", "s / step", "times plain", "memory", "estimate", "time / peer", "memory / peer",
        "of peak")


@dataclass
class Result:
    """One variant at one size. passes: through the transformer per step, in forward passes."""

    name: str
    side: int
    batch: int
    tokens: int
    passes: float
    samples: Samples
    gradient_difference: float = 0.0


def write(results: list[Result], weights: dict[str, int], peak: float, geometry: Geometry, dtype: torch.dtype,
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
    rows = _rows(results, weights["token_weights"], peak)
    shared.write_json(path, {**facts, "rows": rows})
    write_text_whole(path.with_suffix(".md"), page(facts, rows))


def table(results: list[Result], weights: dict[str, int], peak: float) -> str:
    """As on the page, in Markdown."""
    return _table(_rows(results, weights["token_weights"], peak))


def _rows(results: list[Result], token_weights: int, peak: float) -> list[dict]:
    by_size = {(result.name, result.side, result.batch): result for result in results}
    rows = []
    for result in results:
        seconds, samples = result.samples.median, result.samples
        plain = by_size.get(("plain", result.side, result.batch)) if result.name in NAMES else None
        peer = by_size.get((PEERS.get(result.name), result.side, result.batch))
        rows.append({
            "variant": result.name,
            "side": result.side,
            "batch": result.batch,
            "seconds": seconds,
            "repeats": samples.seconds,
            "peak_gib": samples.peak_bytes / GIB or None,
            "estimate_of_peak": _ratio(samples.estimated_bytes, samples.peak_bytes),
            "kept": samples.kept,
            "times_plain": _ratio(seconds, plain and plain.samples.median),
            "weights_resident": samples.resident,
        })
        if peer:
            rows[-1]["seconds_of_peer"] = _ratio(seconds, peer.samples.median)
            rows[-1]["peak_of_peer"] = _ratio(samples.peak_bytes, peer.samples.peak_bytes)
            rows[-1]["gradient_differs_from_peer"] = result.gradient_difference
        if seconds and result.passes:
            achieved = 2 * token_weights * result.tokens * result.passes / seconds
            rows[-1] |= {"transformer_tflops": achieved / 1e12, "share_of_matmul_peak": achieved / peak}
    return rows


def _ratio(value: float | None, base: float | None) -> float | None:
    return value / base if value and base else None


def _table(rows: list[dict]) -> str:
    return shared.table(HEAD, [[
        f"{row['batch']} x {row['side']}²",
        NAMES.get(row["variant"], f"{row['variant']}: {row['kept'] or 'nothing fits'}") + _resident(row),
        text(row["seconds"], ".3g") or "out of memory",
        text(row["times_plain"], ".4f" if row["variant"] == "projection" else ".2f"),
        text(row["peak_gib"], ".2f", " GiB"),
        text(row["estimate_of_peak"], ".2f"),
        text(row.get("seconds_of_peer"), ".2f"),
        text(row.get("peak_of_peer"), ".2f"),
        text(row.get("share_of_matmul_peak"), ".0%"),
    ] for row in rows])


def _resident(row: dict) -> str:
    share = row["weights_resident"]
    return f" ({share:.0%} of the transformer on the device)" if share < 0.995 else ""


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def page(facts: dict, rows: list[dict]) -> str:
    """Of the facts and rows of the JSON."""
    cuda = facts["clock"] == "wall"
    repeats = [row["repeats"] for row in rows if row["variant"] != "projection" and row["repeats"]]
    return PAGE.format(
        billions=facts["parameters"] / 1e9,
        table=_table(rows),
        missing="" if cuda else NO_GPU,
        counted="by the allocator" if cuda else COUNTED,
        enforced="the allocator gives no more" if cuda else "on the CPU this only steers what is kept",
        order=ONE_SIDE_AFTER_THE_OTHER if cuda else "in which the variants took turns",
        scatter=max((max(seconds) / min(seconds) - 1 for seconds in repeats), default=0.0),
        estimates=estimate_table(json.loads((DOCS / "memory_estimate.json").read_text(encoding="utf-8"))["gib"]),
        cards=card_table(json.loads((DOCS / "cards.json").read_text(encoding="utf-8"))),
        difference=max(row.get("gradient_differs_from_peer", 0.0) for row in rows),
        **facts,
    )


ONE_SIDE_AFTER_THE_OTHER = """in which the variants of each side took turns, with PyTorch's own allocator and
  without ComfyUI's dynamic VRAM"""
COUNTED = "counted operation by operation, without what a kernel needs inside itself"
PAGE = """# Speed and memory of one ascent step

A FLUX.1 of {billions:.2f} billion parameters with random weights, the full VAE and a CLIP reward, in {dtype}. A step is
forward, decode, reward, backward, projection and update.

{table}

- *times plain*: against forward, decode and reward of the same models without gradients.
- *peer*: the loop of ReNO on diffusers' `FluxTransformer2DModel` and `AutoencoderKL`, with the same weights, size and
  reward, and for *recompute* with their own gradient checkpointing. The two gradients differ by {difference:.1g}
  (relative L2).
- *memory*: the most bytes that the tensors of one step take beside the weights of the models,
  {counted}. *estimate*: what the pack reckons
  with when it decides what to keep, as a share of that.
- *float8, auto, within*: stored in float8 and cast for each layer, where ComfyUI believes that there is so much memory
  for everything; {enforced}.
- *of peak*: 2 x weights x tokens for each pass of the transformer (2 when kept, 3 when recomputed; only the weights
  that every token meets) over the time of the whole step, decoder and reward included, against the
  {matmul_peak_tflops:.3g} TFLOP/s of a plain matrix product.
- Seconds are medians of repeats {order}; clock: {clock}.
  Repeats of one variant lie up to {scatter:.0%} apart.

Made on {date} on {machine}, torch {torch}, by

```
{command}
```
{missing}
## Memory at FLUX.1's size

Counted on small models and scaled up, in 16 bit, beside the weights:

{estimates}

```
COMFYUI_PATH=... python -m benchmarks.memory_estimate
```

What *memory* = auto chooses by its estimates, with CLIP L/14 in bfloat16 as the reward, where 1 GiB of the card is in
use, for one picture in one sampling step with one prompt. Weights that do not fit beside are offloaded by ComfyUI and
come back for each layer:

{cards}

```
COMFYUI_PATH=... python -m benchmarks.cards
```
"""
NO_GPU = """
Numbers from a graphics card are missing. This makes them, on a card of 80 GB, at FLUX.1-schnell's size in bfloat16, and
in float8 within the memory of smaller cards:

```
python -m benchmarks.flux_scale --device cuda --size full --side 512 1024 --batch 1 4 --caps 24 16 12 --json FILE
```
"""
