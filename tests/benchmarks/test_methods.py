import json
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import methods
from benchmarks.comparison import cells
from benchmarks.comparison.cells import TUNING_SEED, Cell, judge, marks, noises, run_cell
from benchmarks.comparison.contenders import ABLATIONS, CONTENDERS, EXTENDED, SEEDS, Task, further_seeds
from benchmarks.comparison.findings import diversity, front_gap, points
from benchmarks.comparison.protocol import Comparison, Plan, choose


class Squares:
    """A subject that can be computed by hand: the picture is the noise, the target wants it at 1."""

    name = "squares"
    latent_shape = (3, 4, 4)
    prompts = ("a", "b")

    def __init__(self):
        self.evaluations = 0
        self.held_out = {"held out": lambda images, prompts: -images.mean((1, 2, 3)).abs()}
        self.judges = {"energy": lambda images: images.square().mean((1, 2, 3)) + 0.1}

    def generate(self, noise, prompts):
        self.evaluations += 1
        assert len(noise) == len(prompts)
        return noise

    def reward(self, images, prompts):
        return -(images - 1).square().mean((1, 2, 3))

    def feature_distance(self, images):
        return None

    def sound_pictures(self, count):
        return None

    def graph_context(self):
        return nullcontext()


PLAN = Plan(noises=3, tuning_noises=2, steps=4, tuning_steps=6, long_trials=("none",), batch=2, timing_rounds=1)


@pytest.fixture
def comparison(tmp_path):
    subject = Squares()
    return Comparison(
        subject, subject, {name: CONTENDERS[name] for name in ("none", "gper", "best-of-n")}, PLAN, tmp_path
    )


def test_marks_hold_both_ends_and_thin_out():
    kept = marks(200)
    assert kept[:6] == (0, 1, 2, 3, 4, 5)
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
    subject, cell = Squares(), Cell("none", 0.1, TUNING_SEED, 2, 5)
    first = run_cell(cell, CONTENDERS["none"], subject, tmp_path)
    ran = subject.evaluations
    again = run_cell(cell, CONTENDERS["none"], subject, tmp_path)
    assert ran == 6
    assert subject.evaluations == ran
    assert torch.equal(first.noise, again.noise)
    assert (first.steps, first.prompts) == (again.steps, again.prompts)


def test_a_cell_that_broke_off_leaves_nothing_half_written(tmp_path, monkeypatch):
    subject, cell = Squares(), Cell("none", 0.1, TUNING_SEED, 2, 5)

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(cells, "save_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_cell(cell, CONTENDERS["none"], subject, tmp_path)
    monkeypatch.undo()
    assert not list(tmp_path.glob("*.safetensors"))
    assert run_cell(cell, CONTENDERS["none"], subject, tmp_path).noise.shape == (6, 2, 3, 4, 4)


def test_a_comparison_goes_on_where_it_was(comparison, tmp_path):
    comparison.trials("none")
    before = comparison.climbed.evaluations
    again = Comparison(comparison.climbed, comparison.watched, comparison.contenders, PLAN, tmp_path)
    found = again.trials("none")
    assert comparison.climbed.evaluations == before
    assert again.step_seconds == comparison.step_seconds
    assert (found[0.1].values["target"] == comparison.trials("none")[0.1].values["target"]).all()


def test_what_is_kept_is_the_best_noise_so_far(tmp_path):
    subject = Squares()
    trajectory = run_cell(Cell("none", 0.2, TUNING_SEED, 2, 12), CONTENDERS["none"], subject, tmp_path)
    judged = judge(trajectory, subject)
    best = torch.cummax(trajectory.rewards, 0).values[list(trajectory.steps)]
    assert judged["target"] == pytest.approx(best, abs=1e-6)
    assert (judged["cosine_to_start"][0] - 1).abs().max() < 1e-5


def test_a_search_gets_as_many_evaluations_as_fit(comparison):
    comparison.step_seconds = {"none": 0.3, "gper": 0.5, "best-of-n": 0.1}
    assert comparison.budget == pytest.approx(1.2)
    assert comparison.steps("best-of-n", PLAN.steps) == 12
    assert comparison.steps("gper", PLAN.steps) == PLAN.steps


def test_seeds_that_are_tried_first_cost_their_time(tmp_path):
    """The time of 16 seeds is taken from the steps, and counted before the first step."""
    subject = Squares()
    chosen = {name: CONTENDERS[name] for name in ("none", "gper", "gper-seeds")}
    plan = replace(PLAN, steps=20, tuning_steps=20)
    comparison = Comparison(subject, subject, chosen, plan, tmp_path)
    assert comparison.step_seconds["gper-seeds"] == comparison.step_seconds["gper"] and comparison.seed_seconds > 0
    comparison.step_seconds = {"none": 0.3, "gper": 0.4, "gper-seeds": 0.4}
    comparison.seed_seconds = 0.1
    assert comparison.steps("gper", 20) == 20 and comparison.steps("gper-seeds", 20) == 16
    assert comparison.steps("gper-seeds", 3) == 1
    curves = comparison.final("gper-seeds")
    assert curves.steps[-1] == SEEDS + 16
    assert curves.seconds[-1] == pytest.approx(16 * 0.1 + 16 * 0.4) == comparison.final("gper").seconds[-1]
    assert curves.seconds[curves.steps.index(5)] == pytest.approx(0.5)
    assert (np.diff(curves.values["target"], axis=0) >= 0).all()


def test_the_contenders_beyond_the_published_ones_are_chosen_by_name():
    assert not set(methods.chosen_methods(None)) & set(EXTENDED)
    assert {"none", "gper", "best-of-n", "spectral-evolution"} <= set(methods.chosen_methods(None))
    assert list(methods.chosen_methods(["gper-seeds-near"])) == ["gper-seeds-near"]


@pytest.mark.parametrize("name", ["gper", "prno", "gper-momentum"])
def test_seeds_and_strength_do_what_they_are_named_for(name):
    subject = Squares()
    noise, prompts = noises(subject, (7, 8))
    task = Task(
        noise,
        lambda x: subject.generate(x, prompts),
        lambda images: subject.reward(images, prompts),
        (7, 8),
        nullcontext,
    )
    records = {
        ending: CONTENDERS[name + ending].run(task, 0.2, 25, lambda step: None)
        for ending in ("", "-seeds", "-near", "-seeds-near")
    }
    assert [record.seeds for record in records.values()] == [0, SEEDS, 0, SEEDS]
    assert all(record.steps == 25 for record in records.values())

    def leaves(ending):
        start = noise if "seeds" not in ending else best_seeds(records[ending], task)
        return torch.nn.functional.cosine_similarity(records[ending].best_noise.flatten(1), start.flatten(1)).min()

    assert leaves("-near") > 0.9 > leaves("") and leaves("-seeds-near") > 0.9 > leaves("-seeds")


def best_seeds(record, task):
    draw = further_seeds(task.noise, task.seeds)
    return torch.stack([(task.noise if seed == 0 else draw(int(seed)))[i] for i, seed in enumerate(record.best_seed)])


def test_batches_are_timed_once(comparison):
    seconds = comparison.seconds_by_batch()
    assert list(seconds) == [batch for batch in (1, 4, 16) if batch <= PLAN.batch] and min(seconds.values()) > 0
    assert comparison.seconds_by_batch() == seconds


def test_the_largest_step_size_within_one_standard_error():
    scores = {
        0.1: np.array([1.0, 3.0]),
        0.2: np.array([2.0, 4.0]),
        0.4: np.array([1.5, 2.7]),
        0.8: np.array([1.0, 2.0]),
    }
    # The best mean is 3 with a standard error of 1.
    assert choose(scores) == 0.4
    assert choose({0.1: np.array([2.0]), 0.2: np.array([1.0])}) == 0.1


def test_no_choice_sees_the_noises_of_the_comparison(comparison):
    comparison.final("none")
    names = [path.name for path in (comparison.folder / "cells").iterdir()]
    tuned, final = ([name for name in names if f"seed{start}" in name] for start in ("100000", "20000"))
    assert len(tuned) == len(CONTENDERS["none"].step_sizes)
    assert len(final) == 2  # three noises in batches of two
    assert len({name.split("_")[1] for name in final}) == 1


def test_a_front_is_level_with_itself(comparison):
    ours = points(comparison, "none")
    for key in ("held out: held out", "judge: energy"):
        gap = front_gap(ours, ours, key)
        assert (gap.reach.value, gap.least.value, gap.median.value, gap.better.value) == (0, 0, 0, 1)


def test_a_better_front_is_above():
    plain = points_of([0.0, 1.0, 2.0], [1.0, 2.0, 4.0])
    better = points_of([0.0, 1.0, 2.5], [0.5, 1.0, 2.0])
    gap = front_gap(better, plain, "judge: energy")
    assert gap.least.value == pytest.approx(1.0)
    assert gap.reach.value == pytest.approx(0.5)
    worse = front_gap(plain, better, "judge: energy")
    assert worse.least.value == pytest.approx(-0.5)


def points_of(targets, errors):
    from benchmarks.comparison.findings import Points

    values = {"target": np.tile(targets, (4, 1)).T, "judge: energy": np.tile(errors, (4, 1)).T}
    return Points(np.arange(len(targets)), values)


def test_diversity_compares_within_a_prompt():
    images = torch.zeros(4, 3, 16, 16)
    images[2:] = 1
    assert diversity(images, ("a", "a", "b", "b")) == 0
    assert diversity(images, ("a", "b", "a", "b")) == pytest.approx(1.0)


def test_contenders_span_the_same_range():
    for contender in CONTENDERS.values():
        sizes = contender.step_sizes
        if len(sizes) > 1:
            assert len(sizes) == 5
            assert sizes[-1] / sizes[0] == pytest.approx(16)
    assert all(len(contender.step_sizes) == 1 for contender in ABLATIONS.values())


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (["--methods", "gperr"], "unknown method 'gperr'"),
        (["--noises", "0"], "--noises is 0"),
        (["--comfyui"], "--target"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments, complaint, tmp_path):
    with pytest.raises(SystemExit, match=complaint):
        methods.main([*arguments, "--out", str(tmp_path / "report.md"), "--results", str(tmp_path)])


def test_from_the_command_line_to_the_document(tmp_path, monkeypatch):
    tiny = replace(methods.QUICK, noises=2, tuning_noises=2, steps=2, tuning_steps=2, long_trials=("none", "gper"))
    monkeypatch.setattr(methods, "QUICK", tiny)
    monkeypatch.setattr("benchmarks.comparison.findings.RESAMPLES", 20)
    monkeypatch.setattr("benchmarks.comparison.findings.SOUND_PICTURES", 8)
    out = tmp_path / "report.md"
    arguments = [
        "--quick",
        "--methods",
        "none",
        "gper",
        "--no-ablations",
        "--out",
        str(out),
        "--results",
        str(tmp_path / "results"),
    ]
    methods.main(arguments)
    text, figures = out.read_text(), json.loads(out.with_suffix(".json").read_text())
    for part in ("## Goals", "| no protection |", "| GPER |", "## Fronts", "sound pictures"):
        assert part in text
    assert [goal["letter"] for goal in figures["goals"]] == ["a", "b", "c", "d"]
    assert {path.name for path in (tmp_path / "report").iterdir()} == {
        "results.jpg",
        "not_stopped.jpg",
        "over_time.png",
        "fronts.png",
    }
    for path in (tmp_path / "report").iterdir():
        assert f"(report/{path.name})" in text

    written = text.replace(
        " kept when the document is made again -->\n", " kept when the document is made again -->\n\nBy hand.\n"
    )
    out.write_text(written)
    methods.main(arguments)
    assert "By hand." in out.read_text()
