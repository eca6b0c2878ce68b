"""The tables of memory in the docs, from the numbers that memory_estimate and cards wrote."""

from .shared import table

CARDS = (8, 12, 16, 24)  # GiB
SIDES = (512, 768, 1024)


def estimate_table(rows: list[dict]) -> str:
    """rows: "gib" of docs/memory_estimate.json."""
    kept, recomputed = "transformer, keep", "transformer, recompute"
    parts = (kept, recomputed, "VAE, keep", "VAE, recompute", "TAESD")
    runs = (f"{kept} + VAE, keep", f"{recomputed} + VAE, recompute", f"{recomputed} + TAESD")
    head = ("FLUX.1, 16 bit, batch 1", "transformer: *keep*", "*recompute*", "full VAE: *keep*", "*recompute*", "TAESD",
            "a run, all kept", "all recomputed", "recomputed, TAESD")
    sizes = [[*(sum(row[part]) for part in parts), *(row[run] for run in runs)] for row in rows]
    return table(head, [[f"{row['picture']} x {row['picture']}", *(f"{size:.1f} GiB" for size in of_row)]
                        for row, of_row in zip(rows, sizes, strict=True)])


def card_table(rows: list[dict]) -> str:
    """rows: of docs/cards.json."""
    choices = {(row["weights"], row["card_gib"], row["side"]): _choice(row) for row in rows}
    return table(("weights", "card", *(f"{side} x {side}" for side in SIDES)),
                 [[weights, f"{gib} GB", *(choices[weights, gib, side] for side in SIDES)]
                  for weights in dict.fromkeys(row["weights"] for row in rows) for gib in CARDS])


def _choice(row: dict) -> str:
    if not row["fits"]:
        return "too small"
    if row["generator"] == 1:
        text = "all recomputed"
    else:
        stages = [f"{row['generator']:.0%} of the model"] * (row["generator"] > 0) + ["VAE"] * row["decoder"]
        text = f"recomputed: {', '.join(stages)}" if stages else "all kept"
    offloaded = row["offloaded_gib"]
    return text + (f", {offloaded:.0f} GiB offloaded" if offloaded >= 0.5 else "")
