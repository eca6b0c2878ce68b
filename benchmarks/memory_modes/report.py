"""The runs as a table and as JSON."""

from ..comparison.markdown import table
from .comparing import Comparison, Run, compare
from .ways import GIB

HEAD = (
    "model", "weights", "ComfyUI started with", "memory", "on the card", "relative L2", "limit", "cosine", "as run",
    "cosine to 32 bit", "s / step", "peak", "gradient",
)  # fmt: skip
NAMES = {"flux": "FLUX", "sdxl": "SDXL"}


def compared(runs: list[Run]) -> list[dict]:
    """A row for each run: against the first run of its model and dtype, which is the reference."""
    references = {}
    for run in runs:
        references.setdefault((run.layout, run.dtype), run)
    rows = []
    for run in runs:
        reference, in_32_bit = references[run.layout, run.dtype], references.get((run.layout, "float32"))
        if in_32_bit is not None and in_32_bit.gradient is None:
            in_32_bit = None
        comparison = None
        if run.gradient is not None and reference.gradient is not None:
            comparison = compare(run, reference, in_32_bit)
        rows.append(_row(run, comparison, is_reference=run is reference))
    return rows


def all_same(rows: list[dict]) -> bool:
    return all(row["same"] for row in rows)


def _row(run: Run, comparison: Comparison | None, is_reference: bool) -> dict:
    same = comparison is not None and comparison.same
    if run.failure:
        verdict = run.failure
    elif comparison is None:
        verdict = "no reference to compare with"
    elif same:
        verdict = "reference" if is_reference else "same"
    else:
        verdict = "DIFFERENT"
    return {
        "layout": run.layout,
        "dtype": run.dtype,
        "flags": list(run.flags),
        "memory": run.memory,
        "verdict": verdict,
        "same": same,
        **(vars(comparison) if comparison else {}),
        **run.facts,
    }


def markdown(rows: list[dict]) -> str:
    return table(HEAD, map(_cells, rows))


def _cells(row: dict) -> list[str]:
    return [
        NAMES[row["layout"]],
        row["dtype"],
        " ".join(row["flags"]) or "nothing",
        row["memory"],
        _placed(row),
        _text(row.get("difference"), ".1e"),
        _text(row.get("limit"), ".1e"),
        _text(row.get("cosine"), ".6f"),
        _text(row.get("as_run"), ".1e"),
        _text(row.get("cosine_32_bit"), ".6f"),
        _text(row["seconds"] and min(row["seconds"]), ".3g") if "seconds" in row else "",
        _text(row["peak_bytes"] and row["peak_bytes"] / GIB, ".2f", " GiB") if "peak_bytes" in row else "",
        row["verdict"].replace("\n", " ").replace("|", "/"),
    ]


def _placed(row: dict) -> str:
    if "loaded_bytes" not in row:
        return ""
    return f"{row['loaded_bytes'] / row['model_bytes']:.0%}" + (", dynamic" if row["streamed"] else "")


def _text(value: float | None, form: str, unit: str = "") -> str:
    return "" if value is None else f"{value:{form}}{unit}"
