"""Ascend small, finish large, in the demo world with very few steps: every way, its time, and the table."""

import json
from dataclasses import replace

import pytest

pytest.importorskip("diffusers")

from benchmarks import small_then_large as benchmark


def test_every_way_of_a_pair_of_sizes(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(benchmark, "EFFORT", replace(benchmark.EFFORT, seeds=2, steps=2))
    monkeypatch.setattr(benchmark, "FINISHING_STEPS", (1,))
    monkeypatch.setattr(benchmark, "BATCHES", {64: 2, 128: 2})
    path = tmp_path / "numbers.json"
    benchmark.main(["--pairs", "64:128", "--noises", "2", "--json", str(path)])
    before, large, small, finished = rows = json.loads(path.read_text())["rows"]
    assert [row["way"] for row in rows] == [
        "before",
        "all large",
        "all small, resized",
        "all small, then 1 steps large",
    ]
    targets = [row["scores"]["target"]["value"] for row in rows]
    assert targets[0] < min(targets[1:]) and targets[2] < targets[3], "each climbs, and climbs on"
    # Two seeds and two steps of either size; the last adds one large step to the small ones.
    assert before["seconds"] == 0 < small["seconds"] < finished["seconds"] < large["seconds"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].endswith("| 0% | 0% |") and lines[3].endswith("| 100% | 100% |")


def test_a_pair_that_there_is_not_is_refused(capsys):
    with pytest.raises(SystemExit):
        benchmark.main(["--pairs", "256:64"])
    assert "64:128" in capsys.readouterr().err


def test_no_noises_are_refused():
    with pytest.raises(SystemExit, match="--noises 0: set it to 1 or more"):
        benchmark.main(["--noises", "0"])
