"""What the table of cards says of a choice."""

import pytest

from benchmarks.memory_tables import CARDS, SIDES, card_table


def row(generator=0.0, decoder=False, offloaded=0.0, fits=True):
    return {"generator": generator, "decoder": decoder, "offloaded_gib": offloaded, "fits": fits}


@pytest.mark.parametrize(
    "choice, text",
    [
        (row(), "all kept"),
        (row(decoder=True), "recomputed: VAE"),
        (row(0.25), "recomputed: 25% of the model"),
        (row(0.5, True), "recomputed: 50% of the model, VAE"),
        (row(1.0, True, 0.4), "all recomputed"),
        (row(1.0, True, 6.6), "all recomputed, 7 GiB offloaded"),
        (row(1.0, fits=False), "too small"),
    ],
)
def test_choices(choice, text):
    rows = [{"weights": "fp8", "card_gib": gib, "side": side, **choice} for gib in CARDS for side in SIDES]
    lines = card_table(rows).splitlines()
    assert len(lines) == 2 + len(CARDS) and lines[0].count("|") == lines[1].count("|") == 2 + len(SIDES) + 1
    assert lines[2:] == [f"| fp8 | {gib} GB | {text} | {text} | {text} |" for gib in CARDS]
