"""The choices of effort: each can run, and the help pages tell what they are."""

from dataclasses import astuple
from pathlib import Path

import pytest

from preconditioning.efforts import EFFORTS
from preconditioning.recipes import RECIPES, STEP_RULES
from preconditioning.strength import check_strength

HELP = Path(__file__).resolve().parents[2] / "web" / "docs"


@pytest.mark.parametrize("page", ["GPER_NoiseOptimizer.md", "GPER_NoiseOptimizer/fr.md"])
def test_the_help_lists_them(page):
    text = (HELP / page).read_text(encoding="utf-8")
    rows = text.split("| effort | steps | seeds_first | strength | step_rule |", 1)[1].split("\n\n", 1)[0].splitlines()
    listed = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]
    assert listed == [
        [name, *(value if isinstance(value, str) else f"{value:g}" for value in astuple(effort))]
        for name, effort in EFFORTS.items()
    ]


def test_plain_is_the_published_method():
    plain = EFFORTS["plain"]
    assert plain.seeds_first == 0 and plain.strength == 1
    for recipe in RECIPES.values():
        assert recipe.stepping(plain.step_rule) == recipe


@pytest.mark.parametrize("effort", EFFORTS.values(), ids=EFFORTS)
def test_each_can_run(effort):
    check_strength(effort.strength)
    assert effort.step_rule in STEP_RULES and effort.steps > 0 and effort.seeds_first >= 0


def test_more_effort_is_more_of_everything():
    quick, balanced, thorough = (EFFORTS[name] for name in ("quick", "balanced", "thorough"))
    for more, less in ((balanced, quick), (thorough, balanced)):
        assert more.steps > less.steps and more.seeds_first > less.seeds_first and more.strength >= less.strength
