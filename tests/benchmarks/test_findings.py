"""Figures and goals, from runs and from numbers made up."""

import numpy as np
import pytest
import torch

from benchmarks.comparison.contenders import LONGER, OURS
from benchmarks.comparison.findings import Findings, Points, diversity, front_gaps, matched_time, median_picture
from benchmarks.comparison.goals import goals
from benchmarks.comparison.report import READING, reading, write_report

from .squares import compared


@pytest.fixture
def comparison(tmp_path):
    return compared(tmp_path)


def test_a_front_is_level_with_itself(comparison):
    ours = Findings(comparison).points("none")
    keys = ("held out: held out", "judge: energy")
    for gap in front_gaps(ours, {("none", key): ours for key in keys}).values():
        assert gap.worst == gap.bound == 0 and not gap.below


def test_time_at_matched_realism():
    """Of the rival that gets highest within the limit: A to 2 after 6 s; B is higher, but outside. Ours after 1.5 s."""

    def of(seconds, targets, errors):
        values = {"target": targets, "judge: energy": errors}
        return Points(np.array(seconds), {name: np.tile(rows, (5, 1)).T for name, rows in values.items()})

    rivals = {"A": of([2.0, 6.0], [1.0, 2.0], [1.0, 1.0]), "B": of([1.0, 3.0], [1.5, 9.0], [1.0, 3.0])}
    ours = of([0.5, 1.0, 1.5], [1.0, 3.0, 2.5], [1.0, 2.5, 1.9])
    found = matched_time(ours, rivals, "judge: energy", 2.0)
    assert (found.rival, found.target, found.seconds) == ("A", 2.0, 6.0)
    assert found.ratio.value == found.ratio.low == found.ratio.high == pytest.approx(0.25)
    assert matched_time(rivals["A"], {"ours": ours}, "judge: energy", 2.0).ratio.value == np.inf
    # Where no rival is within the limit there is no time to compare with.
    for limit, ratio in ((0.95, 1), (1.0, 0)):
        found = matched_time(ours, {"B": of([1.0, 3.0], [1.5, 9.0], [2.0, 3.0])}, "judge: energy", limit)
        assert not found.rival_climbs and found.ratio.value == ratio


def test_a_climb_is_known_at_every_step(tmp_path):
    """Times between two judged steps are none of the grid's; the seeds before are no climb."""
    findings = Findings(compared(tmp_path, ["gper"], ["plain", "balanced"], steps=30))
    for name in ("gper", "gper-balanced"):
        curves, seeds = findings.comparison.final(name), findings.contenders[name].seeds
        of = findings.climb(name)
        assert len(of.seconds) == curves.steps[-1] - seeds > len(curves.steps)
        assert (np.diff(of.values["target"], axis=0) >= 0).all() and (np.diff(of.seconds) > 0).all()
        judged = [step for step in curves.steps if step > seeds]
        places, kept = np.array(judged) - seeds - 1, [curves.steps.index(step) for step in judged]
        assert np.allclose(of.seconds[places], curves.seconds[kept])
        for key in ("target", "judge: energy"):
            assert np.allclose(of.values[key][places], curves.values[key][kept], atol=1e-5)


def test_a_baseline_is_helped_by_all_its_ways(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.comparison.findings.RESAMPLES", 20)
    ways = ["plain", "both", "balanced", "short"]
    findings = Findings(compared(tmp_path, ["none", "gper", "best-of-n"], ways, efforts=(OURS, LONGER)))
    assert findings.rivals(False, searches=True) == {"none": ["none"], "best-of-n": ["best-of-n"]}
    assert findings.rivals(True) == {"none": ["none", "none-both", "none-balanced", "none-short"]}
    assert [{rival for rival, _ in findings.gaps(helped)} for helped in (False, True)] == [
        {"none", "best-of-n"},
        {"none"},
    ]
    assert findings.ours == [OURS, LONGER]
    helped = findings.points(*findings.rivals(True)["none"])
    plain = findings.points("none")
    assert len(helped.seconds) > len(plain.seconds) and (helped.seconds <= findings.comparison.budget * 1.5).all()


def test_a_document_of_two_sizes(tmp_path, monkeypatch):
    """Without sound pictures there is no limit for b; without published baselines only what needs none is told."""
    monkeypatch.setattr("benchmarks.comparison.findings.RESAMPLES", 20)
    small = compared(tmp_path / "4", ["none", "gper"], ["plain", "balanced"], efforts=(OURS, LONGER))
    large = compared(tmp_path / "8", ["none", "gper"], ["balanced"], side=8, tuned=small, efforts=(OURS,), steps=5)
    found = [Findings(comparison) for comparison in (small, large)]
    assert [[goal.letter for goal in goals(each)] for each in found] == [["a", "a*", "c", "c*", "d", "d*", "e"], []]
    write_report(found, tmp_path / "report.md", "a test")
    text = (tmp_path / "report.md").read_text()
    assert "4 px, N = 48" in text and "8 px, N = 192" in text and "in the time of 4 / 5 steps of GPER" in text
    assert "sound" not in text.replace("what is sound is not known", "") and "chosen at 4 px on 2 other" in text


def test_what_was_written_of_other_figures_is_put_aside(tmp_path):
    out = tmp_path / "report.md"
    out.write_text("Of before.\n" + "\n\nBy hand.\n\n".join(READING))
    out.with_suffix(".json").write_text('[{"end": 1.5}]')
    assert "By hand." in reading(out, [{"end": 1.5}]) and "Of before." not in reading(out, [{"end": 1.5}])
    assert "By hand." not in reading(out, [{"end": 1.6}])
    assert (tmp_path / "report_earlier_reading.md").read_text() == "By hand.\n"


def test_a_better_front_is_above():
    plain = points_of([0.0, 1.0, 2.0], [1.0, 2.0, 4.0])
    better = points_of([0.0, 1.0, 2.5], [0.5, 1.0, 2.0])
    pair = ("rival", "judge: energy")
    assert front_gaps(better, {pair: plain})[pair].worst == pytest.approx(1.0)
    worse = front_gaps(plain, {pair: better})[pair]
    assert worse.worst == pytest.approx(-0.5) and worse.below


def test_the_start_that_all_share_is_no_level():
    ours, theirs = points_of([0.0, 1.0, 2.0], [1.0, 1.0, 2.0]), points_of([0.0, 1.0, 2.0], [1.0, 2.0, 4.0])
    pair = ("rival", "judge: energy")
    assert front_gaps(ours, {pair: theirs})[pair].worst == pytest.approx(1.0)


def test_a_front_that_differs_by_chance_is_not_below():
    """The worst of all levels of twenty rivals is below zero, but not beyond chance; one that is truly better is."""
    draws = np.random.default_rng(0)

    def front(shift=0.0):
        targets = np.linspace(0, 1, 8)[:, None] + np.zeros(24)
        return Points(np.arange(8), {"target": targets, "held out: x": shift - targets + draws.normal(size=(8, 24))})

    ours, rivals = front(), {(f"rival {i}", "held out: x"): front() for i in range(20)}
    rivals["better", "held out: x"] = front(3.0)
    gaps = front_gaps(ours, rivals)
    assert min(gap.worst for (name, _), gap in gaps.items() if name != "better") < -0.3
    assert [name for (name, _), gap in gaps.items() if gap.below] == ["better"]


def test_the_median_picture_is_not_the_better_half():
    assert median_picture(np.array([1.0, 1.0, 9.0, 9.0])) == 9.0
    assert median_picture(np.array([1.0, 1.0, 9.0])) == 1.0


def points_of(targets, errors):
    values = {"target": np.tile(targets, (4, 1)).T, "judge: energy": np.tile(errors, (4, 1)).T}
    return Points(np.arange(len(targets)), values)


def test_diversity_compares_within_a_prompt():
    images = torch.zeros(4, 3, 16, 16)
    images[2:] = 1
    assert diversity(images, ("a", "a", "b", "b")) == 0
    assert diversity(images, ("a", "b", "a", "b")) == pytest.approx(1.0)
