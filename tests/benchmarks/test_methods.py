import json
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from benchmarks import methods
from benchmarks.comparison import demo_subject
from benchmarks.comparison.cells import noises
from benchmarks.comparison.contenders import (
    EFFORT_RUNS,
    METHODS,
    PUBLISHED,
    SEARCHES,
    SEEDS,
    WAYS,
    Task,
    contenders,
    further_seeds,
    in_way,
)

from .squares import Squares


def test_contenders_span_the_same_range():
    for contender in contenders(list(METHODS), list(WAYS)).values():
        sizes = contender.step_sizes
        if len(sizes) > 1:
            assert len(sizes) == 5
            assert sizes[-1] / sizes[0] == pytest.approx(16)


def test_every_method_has_every_way():
    found = contenders([*PUBLISHED, *SEARCHES], list(WAYS), list(EFFORT_RUNS))
    assert len(found) == len(PUBLISHED) * len(WAYS) + len(SEARCHES) + len(EFFORT_RUNS)
    assert all(name == contender.name for name, contender in found.items()) and set(EFFORT_RUNS) <= set(found)
    few = contenders(
        [*PUBLISHED, *SEARCHES],
        ["plain", "balanced"],
        left_out=["none-balanced", "reno-balanced", "mpgr-balanced", "gper-balanced", "best-of-n"],
    )
    assert list(few) == ["none", "reno", "prno", "prno-balanced", "mpgr", "gper", "local-search", "spectral-evolution"]
    assert all(set(plan.left_out) <= set(found) for plan in methods.PLANS.values())


@pytest.mark.parametrize("name", ["gper", "prno", "mpgr"])
def test_ways_do_what_they_are_named_for(name):
    subject = Squares()
    noise, prompts = noises(subject, (7, 8))
    task = Task(
        noise,
        lambda x: subject.generate(x, prompts),
        lambda images: subject.reward(images, prompts),
        (7, 8),
        nullcontext,
    )
    method = METHODS[name]
    ways = {way: method if way == "plain" else in_way(method, way) for way in WAYS}
    records = {way: of.run(task, of.step_sizes[-1], 25, lambda step: None) for way, of in ways.items()}
    assert [record.seeds for record in records.values()] == [0, SEEDS, 0, SEEDS, SEEDS, SEEDS]
    assert all(record.steps == 25 for record in records.values())

    def leaves(way):
        start = best_seeds(records[way], task) if WAYS[way].seeds else noise
        return torch.nn.functional.cosine_similarity(records[way].best_noise.flatten(1), start.flatten(1)).min()

    assert min(map(leaves, ("strength", "both", "balanced", "short"))) > 0.9
    assert max(leaves("plain"), leaves("seeds")) < 0.9
    assert ways["balanced"].recipe.optimizer == "Momentum" and ways["balanced"].recipe.schedule == "falling"


def best_seeds(record, task):
    draw = further_seeds(task.noise, task.seeds)
    return torch.stack([(task.noise if seed == 0 else draw(int(seed)))[i] for i, seed in enumerate(record.best_seed)])


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (["--methods", "gperr"], "unknown method 'gperr'"),
        (["--ways", "fast"], "unknown way 'fast'"),
        (["--noises", "0"], "--noises 0: set it to 1 or more"),
        (["--noises", "4", "2"], "or for each size"),
        (["--sizes", "96"], "--sizes 96: the demo world has 64, 128, 256"),
        (["--comfyui"], "--target"),
        (["--comfyui", "--sizes", "128"], "set --size"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments, complaint, tmp_path):
    with pytest.raises(SystemExit, match=complaint):
        methods.main([*arguments, "--out", str(tmp_path / "report.md"), "--results", str(tmp_path)])


def test_numbers_for_every_size():
    options = methods.parser().parse_args(["--sizes", "64", "256", "--noises", "8", "4", "--steps", "5"])
    plans = methods.chosen_plans(options)
    assert {size: (plan.noises, plan.steps, plan.batch) for size, plan in plans.items()} == {
        64: (8, 5, 16),
        256: (4, 5, 1),
    }


def test_a_size_alone_takes_the_settings_of_the_smallest(tmp_path, monkeypatch):
    """Chosen there, by as much as was asked for, whatever else the size has."""
    monkeypatch.setattr(demo_subject, "DemoSubject", lambda dtype="float32", size=64: Squares(size // 16))
    words = "--sizes 128 --methods none gper --noises 2 --tuning-noises 3 --batch 1 --results"
    (comparison,) = methods.comparisons(methods.parser().parse_args([*words.split(), str(tmp_path)]))
    tuned = comparison.tuned
    assert (comparison.climbed.size, tuned.climbed.size) == (8, 4)
    assert (tuned.plan.tuning_noises, tuned.plan.batch, tuned.plan.noises) == (3, 16, 64)
    assert comparison.plan.noises == 2 and set(comparison.contenders) <= set(tuned.contenders)


def test_what_a_size_leaves_out_runs_when_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(demo_subject, "DemoSubject", lambda dtype="float32", size=64: Squares(size // 16))

    def chosen(*words):
        options = methods.parser().parse_args(["--sizes", "128", "--results", str(tmp_path), *words])
        return set(methods.comparisons(options)[0].contenders)

    assert "reno-both" not in chosen() and {"reno", "reno-balanced", "prno-both", "gper"} <= chosen()
    assert chosen("--methods", "reno") == {"reno", "reno-both", "reno-balanced"}


def test_a_model_in_comfyui_has_a_plan_of_its_own():
    options = methods.parser().parse_args(["--comfyui", "--size", "128", "--noises", "3"])
    assert methods.chosen_plans(options) == {128: replace(methods.COMFYUI, noises=3)}


def test_from_the_command_line_to_the_document(tmp_path, monkeypatch):
    monkeypatch.setattr(methods, "QUICK", replace(methods.QUICK, steps=2, step_sizes=1, long_steps=2))
    monkeypatch.setattr("benchmarks.comparison.findings.RESAMPLES", 20)
    monkeypatch.setattr("benchmarks.comparison.findings.SOUND_PICTURES", 8)
    monkeypatch.setattr("benchmarks.comparison.findings.RANGE", (1.0,))
    out = tmp_path / "report.md"
    arguments = ["--quick", "--methods", "none", "gper", "--ways", "plain"]
    arguments += ["--out", str(out), "--results", str(tmp_path / "results")]
    methods.main(arguments)
    text, figures = out.read_text(), json.loads(out.with_suffix(".json").read_text())
    for part in ("| no protection |", "| GPER |", "## Fronts", "64 px, N = 1,024", "balanced"):
        assert part in text
    (of_64,) = figures
    assert [goal["letter"] for goal in of_64["goals"]] == ["a", "a*", "b", "c", "c*", "d", "d*", "e"]
    pictures = {path.name for path in (tmp_path / "report").iterdir()}
    assert pictures == {"results_64.jpg", "left_running_64.jpg", "fronts.png"}
    assert all(f"(report/{name})" in text for name in pictures)
    assert max(map(len, text.splitlines())) < 1000 and "{" not in text.split("## How it was done")[0]
