"""Scores as numbers of seeds, in words."""

import pytest
from gper_pack.runs.scores_in_words import in_seeds, seeds_cell
from gper_pack.runs.seed_equivalent import SeedEquivalent

WITHIN = SeedEquivalent(16, 4.85, 1.6, 30.2, False)
BEST = SeedEquivalent(16, 16.0, 3.7, None, False)
ABOVE = SeedEquivalent(16, 52.75, 8.7, None, True)
FAR = SeedEquivalent(16, None, 48.6, None, True)
LOW = SeedEquivalent(16, 0.3, 0.12, 0.5, False)
MIDDLE = SeedEquivalent(16, 0.97, 0.5, 2.1, False)


@pytest.mark.parametrize(
    "equivalents, said",
    [
        ([WITHIN], "as good as the best of 5 (2 to 30), by 16 plain seeds"),
        ([BEST], "as good as the best of 16 (4 to more than 160), by 16 plain seeds"),
        ([ABOVE], "above all 16 plain seeds, as good as the best of 53 (9 to more than 160)"),
        ([FAR], "above all 16 plain seeds, as good as the best of more than 160"),
        ([LOW], "no better than a single seed, by 16 plain seeds"),
        ([LOW, MIDDLE], "no better than a single seed, by 16 plain seeds"),
        ([ABOVE, None, WITHIN], "as good as the best of 5 to 53, by 16 plain seeds"),
        ([FAR, ABOVE], "above all 16 plain seeds, as good as the best of 53 to more than 160"),
        ([FAR, FAR], "above all 16 plain seeds, as good as the best of more than 160"),
        ([LOW, FAR], "as good as the best of 1 to more than 160, by 16 plain seeds"),
        ([None, None], ""),
        ([], ""),
    ],
)
def test_a_sentence(equivalents, said):
    assert in_seeds(equivalents) == said


@pytest.mark.parametrize(
    "equivalent, said",
    [
        (None, "-"),
        (FAR, "more than 160"),
        (ABOVE, "53 (9 to more than 160)"),
        (LOW, "1 (1 to 1)"),
        (SeedEquivalent(64, 123.4, 45.6, 567.8, True), "120 (46 to 570)"),
    ],
)
def test_a_cell(equivalent, said):
    assert seeds_cell(equivalent) == said
