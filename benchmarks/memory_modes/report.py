"""The runs as a table and as JSON."""

from ..shared import GIB, table, text
from .comparing import Run, compare

HEAD = ("model", "weights", "ComfyUI started with", "memory", "on the card", "relative L2", "limit", "cosine", "as run",
        "cosine to 32 bit", "s / step", "peak", "gradient")
NAMES = {"flux": "FLUX", "sdxl": "SDXL"}


def compared(runs: list[Run]) -> list[dict]:
    """A row for each run: against the first run of its model and dtype, which is the reference."""
    references: dict[tuple[str, str], Run] = {}
    for run in runs:
        references.setdefault((run.layout, run.dtype), run)
    rows = []
    for run in runs:
        reference, in_32_bit = references[run.layout, run.dtype], references.get((run.layout, "float32"))
        comparison = None
        if run.gradient is not None and reference.gradient is not None:
            comparison = compare(run, reference, in_32_bit if in_32_bit and in_32_bit.gradient is not None else None)
        if comparison is None:
            verdict = run.failure or "no reference to compare with"
        elif comparison.same:
            verdict = "reference" if run is reference else "same"
        else:
            verdict = "DIFFERENT"
        rows.append({"layout": run.layout, "dtype": run.dtype, "flags": list(run.flags), "memory": run.memory,
                     "verdict": verdict, "same": comparison is not None and comparison.same,
                     **(vars(comparison) if comparison else {}), **run.facts})
    return rows


def all_same(rows: list[dict]) -> bool:
    return all(row["same"] for row in rows)


def markdown(rows: list[dict]) -> str:
    return table(HEAD, map(_cells, rows))


def _cells(row: dict) -> list[str]:
    placed, peak = "", row.get("peak_bytes")
    if "loaded_bytes" in row:
        placed = f"{row['loaded_bytes'] / row['model_bytes']:.0%}" + (", dynamic" if row["streamed"] else "")
    return [
        NAMES[row["layout"]],
        row["dtype"],
        " ".join(row["flags"]) or "nothing",
        row["memory"],
        placed,
        text(row.get("difference"), ".1e"),
        text(row.get("limit"), ".1e"),
        text(row.get("cosine"), ".6f"),
        text(row.get("as_run"), ".1e"),
        text(row.get("cosine_32_bit"), ".6f"),
        text(min(row.get("seconds") or [], default=None), ".3g"),
        text(peak and peak / GIB, ".2f", " GiB"),
        row["verdict"].replace("\n", " ").replace("|", "/"),
    ]
