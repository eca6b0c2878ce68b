"""When two gradients are the same, and the runs as a table."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..shared import GIB, filled, table_of

LIMITS = {"float32": 1e-5, "bfloat16": 1e-3}
# With the card's fastest kernels, which may round to TF32, and differently each time.
AS_RUN_LIMIT = 0.1
# Of weights in 16 bit with those numbers in 32 bit, both computing in 32 bit.
COSINE_LIMIT = 0.9999
NAMES = {"flux": "FLUX", "sdxl": "SDXL"}
COLUMNS = {
    "model": "{model}", "weights": "{dtype}", "ComfyUI started with": "{way}", "memory": "{memory}",
    "on the card": "{placed}", "relative L2": "{difference:.1e}", "limit": "{limit:.1e}", "cosine": "{cosine:.6f}",
    "as run": "{as_run:.1e}", "cosine to 32 bit": "{cosine_32_bit:.6f}", "s / step": "{least_seconds:.3g}",
    "peak": "{peak_gib:.2f} GiB", "gradient": "{said}",
}


@dataclass
class Run:
    """One run of the pack in a server started with `flags`.

    gradient: with repeatable arithmetic; as_run: as a user's run computes it. facts: what the server noted.
    failure: why there is no gradient, or nothing.
    """

    layout: str
    dtype: str
    flags: tuple[str, ...]
    memory: str
    gradient: Tensor | None = None
    as_run: Tensor | None = None
    facts: dict = field(default_factory=dict)
    failure: str = ""

    @property
    def computes_in_32_bit(self) -> bool:
        return self.facts["compute_dtype"] == "float32" == self.facts["vae_dtype"]


@dataclass(frozen=True)
class Comparison:
    """difference, as_run: relative L2 to the reference's gradient. cosine_32_bit: to the same numbers in 32 bit."""

    difference: float
    limit: float
    cosine: float
    as_run: float
    cosine_32_bit: float | None
    cosine_limit: float | None

    @property
    def same(self) -> bool:
        """Also False where something is not a number."""
        close = self.difference <= self.limit and self.as_run <= max(self.limit, AS_RUN_LIMIT)
        return close and (self.cosine_limit is None or self.cosine_32_bit >= self.cosine_limit)


def compare(run: Run, reference: Run, in_32_bit: Run | None) -> Comparison:
    """in_32_bit: the reference of the same model in float32, where there is one.

    Computing in 16 bit, a deep model turns the order of a sum into differences as large as its rounding. So there two
    gradients may lie as far apart as each may lie from the gradient in 32 bit, taken together.
    """
    limit, cosine_limit = LIMITS[run.dtype], None
    if in_32_bit is not None and run.dtype != "float32":
        if reference.computes_in_32_bit and run.computes_in_32_bit:
            cosine_limit = COSINE_LIMIT
        else:
            limit = max(limit, 2 * relative_difference(reference.gradient, in_32_bit.gradient))
    return Comparison(
        relative_difference(run.gradient, reference.gradient), limit, cosine(run.gradient, reference.gradient),
        relative_difference(run.as_run, reference.gradient),
        None if in_32_bit is None else cosine(run.gradient, in_32_bit.gradient), cosine_limit)


def relative_difference(found: Tensor, expected: Tensor) -> float:
    """L2 distance over the norm of what is expected; not a number where that is zero."""
    found, expected = found.double(), expected.double()
    return float((found - expected).norm() / expected.norm())


def cosine(found: Tensor, expected: Tensor) -> float:
    found, expected = found.double().flatten(), expected.double().flatten()
    return float(torch.dot(found, expected) / (found.norm() * expected.norm()))


def compared(runs: list[Run]) -> list[dict]:
    """A row for each run: against the first run of its model and dtype, which is the reference."""
    references: dict[tuple[str, str], Run] = {}
    for run in runs:
        references.setdefault((run.layout, run.dtype), run)
    rows = []
    for run in runs:
        reference, in_32_bit = references[run.layout, run.dtype], references.get((run.layout, "float32"))
        comparison, verdict = None, run.failure or "no reference to compare with"
        if run.gradient is not None and reference.gradient is not None:
            comparison = compare(run, reference, in_32_bit if in_32_bit and in_32_bit.gradient is not None else None)
            verdict = ("reference" if run is reference else "same") if comparison.same else "DIFFERENT"
        rows.append({"layout": run.layout, "dtype": run.dtype, "flags": list(run.flags), "memory": run.memory,
                     "verdict": verdict, "same": comparison is not None and comparison.same,
                     **(vars(comparison) if comparison else {}), **run.facts})
    return rows


def all_same(rows: list[dict]) -> bool:
    return all(row["same"] for row in rows)


def markdown(rows: list[dict]) -> str:
    return table_of(COLUMNS, map(_in_words, rows))


def _in_words(row: dict) -> dict:
    share = row["loaded_bytes"] / row["model_bytes"] if "loaded_bytes" in row else None
    return row | {
        "model": NAMES[row["layout"]],
        "way": " ".join(row["flags"]) or "nothing",
        "placed": filled("{share:.0%}", {"share": share}) + ", dynamic" * row.get("streamed", False),
        "least_seconds": min(row.get("seconds") or [], default=None),
        "peak_gib": row["peak_bytes"] / GIB if row.get("peak_bytes") else None,
        "said": row["verdict"].replace("\n", " ").replace("|", "/"),
    }
