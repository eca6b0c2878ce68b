"""Runs that are kept."""

from dataclasses import replace

import pytest
import torch

from benchmarks.comparison import cells, demo_subject
from benchmarks.comparison.cells import TUNING_SEED, Cell, judge, marks, noises, run_cell
from benchmarks.comparison.contenders import METHODS, in_way

from .squares import Squares


def test_marks_hold_both_ends_and_thin_out():
    kept = marks(200)
    assert kept[:5] == (0, 1, 2, 3, 4)
    assert kept[-1] == 200
    gaps = [b - a for a, b in zip(kept, kept[1:], strict=False)]
    assert min(gaps) >= 1
    assert len(kept) < 25
    assert marks(1) == (0, 1)


def test_noise_does_not_hang_on_the_batch():
    subject = Squares()
    together, prompts = noises(subject, range(7, 11))
    apart = torch.cat([noises(subject, [seed])[0] for seed in range(7, 11)])
    assert torch.equal(together, apart)
    assert prompts == ["b", "a", "b", "a"]


def test_a_cell_is_run_once(tmp_path):
    subject, cell = Squares(), Cell(METHODS["none"], 0.1, TUNING_SEED, 2, 5)
    first = run_cell(cell, subject, tmp_path)
    ran = subject.evaluations
    again = run_cell(cell, subject, tmp_path)
    assert ran == 6
    assert subject.evaluations == ran
    assert torch.equal(first.noise, again.noise)
    assert (first.steps, first.prompts) == (again.steps, again.prompts)


def test_other_settings_are_another_cell():
    gper = in_way(METHODS["gper"], "both")
    rule = replace(gper, recipe=gper.recipe.stepping("falling"))
    variants = (gper, gper.within(0.3), rule, replace(gper, seeds=8))
    names = [Cell(contender, 0.1, TUNING_SEED, 2, 5).file_name for contender in variants]
    assert len(set(names)) == len(variants)
    assert Cell(in_way(METHODS["gper"], "both"), 0.1, TUNING_SEED, 2, 5).file_name == names[0]


def test_other_weights_are_another_folder(tmp_path, monkeypatch):
    file = tmp_path / "reward.safetensors"
    monkeypatch.setattr(demo_subject, "ASSETS", tmp_path)
    digests = []
    for weights in (b"1", b"2", b"1"):
        file.write_bytes(weights)
        digests.append(demo_subject.weights_digest())
    assert digests[0] == digests[2] != digests[1]


def test_a_cell_that_broke_off_leaves_nothing_half_written(tmp_path, monkeypatch):
    subject, cell = Squares(), Cell(METHODS["none"], 0.1, TUNING_SEED, 2, 5)

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(cells, "save_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_cell(cell, subject, tmp_path)
    monkeypatch.undo()
    assert not list(tmp_path.glob("*.safetensors"))
    assert run_cell(cell, subject, tmp_path).noise.shape == (6, 2, 3, 4, 4)


def test_what_is_kept_is_the_best_noise_so_far(tmp_path):
    subject = Squares()
    trajectory = run_cell(Cell(METHODS["none"], 0.2, TUNING_SEED, 2, 12), subject, tmp_path)
    judged = judge(trajectory, subject)
    best = torch.cummax(trajectory.rewards, 0).values[list(trajectory.steps)]
    assert judged["target"] == pytest.approx(best, abs=1e-6)
    assert (judged["cosine_to_start"][0] - 1).abs().max() < 1e-5
