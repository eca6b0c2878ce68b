"""Figures and goals, from runs and from numbers made up."""

import numpy as np
import pytest
import torch

from benchmarks.comparison.findings import Findings, Points, diversity, front_gap, matched_time
from benchmarks.comparison.goals import goals

from .squares import compared


@pytest.fixture
def comparison(tmp_path):
    return compared(tmp_path)


def test_a_front_is_level_with_itself(comparison):
    ours = Findings(comparison).points("none")
    for key in ("held out: held out", "judge: energy"):
        gap = front_gap(ours, ours, key)
        assert (gap.reach.value, gap.least.value, gap.median.value, gap.better.value) == (0, 0, 0, 1)


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


def test_a_baseline_is_helped_by_all_its_ways(tmp_path):
    findings = Findings(compared(tmp_path, ["none", "gper", "best-of-n"], ["plain", "both", "balanced"]))
    assert findings.rivals(False, searches=True) == {"none": ["none"], "best-of-n": ["best-of-n"]}
    assert findings.rivals(True) == {"none": ["none", "none-both", "none-balanced"]}
    assert findings.ours == ["gper-balanced", "effort-quick"]
    helped = findings.points(*findings.rivals(True)["none"])
    plain = findings.points("none")
    assert len(helped.seconds) > len(plain.seconds) and (helped.seconds <= findings.comparison.budget * 1.5).all()


def test_goals_are_told_of_every_size(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.comparison.findings.RESAMPLES", 20)
    small = compared(tmp_path / "4", ["none", "gper"], ["plain", "balanced"])
    large = compared(tmp_path / "8", ["none", "gper"], ["plain", "balanced"], side=8, tuned=small)
    for comparison in (small, large):  # without sound pictures there is no limit for b
        assert [goal.letter for goal in goals(Findings(comparison))] == ["a", "a*", "c", "c*", "d", "d*", "e"]


def test_a_better_front_is_above():
    plain = points_of([0.0, 1.0, 2.0], [1.0, 2.0, 4.0])
    better = points_of([0.0, 1.0, 2.5], [0.5, 1.0, 2.0])
    gap = front_gap(better, plain, "judge: energy")
    assert gap.least.value == pytest.approx(1.0)
    assert gap.reach.value == pytest.approx(0.5)
    worse = front_gap(plain, better, "judge: energy")
    assert worse.least.value == pytest.approx(-0.5)


def points_of(targets, errors):
    values = {"target": np.tile(targets, (4, 1)).T, "judge: energy": np.tile(errors, (4, 1)).T}
    return Points(np.arange(len(targets)), values)


def test_diversity_compares_within_a_prompt():
    images = torch.zeros(4, 3, 16, 16)
    images[2:] = 1
    assert diversity(images, ("a", "a", "b", "b")) == 0
    assert diversity(images, ("a", "b", "a", "b")) == pytest.approx(1.0)
