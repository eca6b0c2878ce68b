"""Who runs what on which noises."""

import json

import numpy as np
import pytest

from benchmarks.comparison.cells import TUNING_SEED
from benchmarks.comparison.contenders import LONGER, METHODS, OURS, SEEDS, SHIPPED, STRENGTH
from benchmarks.comparison.protocol import Comparison, choose
from preconditioning.efforts import EFFORTS

from .squares import PLAN, compared


@pytest.fixture
def comparison(tmp_path):
    return compared(tmp_path)


def test_a_comparison_goes_on_where_it_was(comparison, tmp_path):
    comparison.trials("none")
    before = comparison.climbed.evaluations
    again = Comparison(comparison.climbed, comparison.watched, comparison.contenders, PLAN, tmp_path)
    found = again.trials("none")
    assert comparison.climbed.evaluations == before
    assert again.step_seconds == comparison.step_seconds
    setting = (STRENGTH, 0.1)
    assert (found[setting].values["target"] == comparison.trials("none")[setting].values["target"]).all()


def test_a_trial_is_judged_at_its_ends_as_a_whole_run_is(comparison):
    whole = comparison._run(METHODS["none"], 0.1, TUNING_SEED, 6, 2, whole=True)
    ends = comparison._run(METHODS["none"], 0.1, TUNING_SEED, 6, 2)
    assert ends.steps == (0, 6) and len(whole.steps) > 2
    assert all(np.array_equal(ends.values[name], of[[0, -1]], equal_nan=True) for name, of in whole.values.items())


def timed(comparison, **seconds):
    """The comparison, told what a step takes."""
    known = comparison._timings() | {name.replace("_", "-"): value for name, value in seconds.items()}
    comparison.timings_file.write_text(json.dumps(known))
    return Comparison(comparison.climbed, comparison.watched, comparison.contenders, comparison.plan, comparison.folder)


def test_a_search_gets_as_many_evaluations_as_fit(comparison):
    comparison = timed(comparison, none=0.25, gper=0.5, best_of_n=0.1)
    assert comparison.budget == pytest.approx(2.0)
    assert [comparison.steps(name) for name in ("gper", "none", "best-of-n")] == [4, 8, 20]
    assert comparison.steps("effort-quick") == EFFORTS["quick"].steps


def test_seeds_that_are_tried_first_cost_their_time(tmp_path):
    """The time of 16 seeds is taken from the steps, and counted before the first step."""
    comparison = timed(compared(tmp_path, ["gper"], ["plain", "seeds"], steps=20), gper=0.4, best_of_n=0.1)
    assert comparison.steps("gper") == 20 and comparison.steps("gper-seeds") == 16
    curves = comparison.final("gper-seeds")
    assert curves.steps[-1] == SEEDS + 16
    assert curves.seconds[-1] == pytest.approx(16 * 0.1 + 16 * 0.4) == comparison.final("gper").seconds[-1]
    assert curves.seconds[curves.steps.index(4)] == pytest.approx(0.4)
    assert (np.diff(curves.values["target"], axis=0) >= 0).all()


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


def test_strengths_are_chosen_after_step_sizes(tmp_path):
    """By the same rule: of all strengths at the chosen step size the largest that is not told from the best."""
    comparison = compared(tmp_path, ["gper"], ["both"])
    strength, size = comparison.chosen("gper-both")
    trials = comparison.trials("gper-both")
    sizes = METHODS["gper"].step_sizes
    assert set(trials) == {(STRENGTH, each) for each in sizes} | {(0.1, size)}
    told = {setting: curves.values["held out: held out"][-1] for setting, curves in trials.items()}
    assert size == choose({each: told[STRENGTH, each] for each in sizes})
    assert strength == choose({each: told[each, size] for each in PLAN.strengths})
    near, far = (trials[each, size].values["cosine_to_start"][-1] for each in (0.1, STRENGTH))
    assert (near >= far - 1e-6).all() and not (near == far).all()


def test_another_size_takes_the_settings_over(tmp_path):
    """As shares of the norm: what follows the gradient's length takes twice the step at four times the elements."""
    small = compared(tmp_path / "4", ["gper", "reno", "local-search"], ["plain", "both"])
    large = compared(tmp_path / "8", ["gper", "reno", "local-search"], ["plain", "both"], side=8, tuned=small)
    for name in small.contenders:
        (strength, size), (at_large, size_at_large) = small.chosen(name), large.chosen(name)
        assert at_large == strength and size_at_large == size * (2 if name.startswith("reno") else 1)
    large.final("gper")
    assert not list((tmp_path / "8").glob("cells/*seed1000*"))


def test_no_choice_sees_the_noises_of_the_comparison(comparison):
    comparison.final("none")
    names = [path.name for path in (comparison.folder / "cells").iterdir()]
    tuned, final = ([name for name in names if f"seed{start}" in name] for start in ("100000", "20000"))
    assert len(tuned) == len(METHODS["none"].step_sizes)
    assert len(final) == 2  # three noises in batches of two
    assert len({name.split("_")[1] for name in final}) == 1


def test_fewer_step_sizes_span_the_same_range(tmp_path):
    comparison = compared(tmp_path, step_sizes=3)
    sizes = METHODS["none"].step_sizes
    assert [size for _, size in comparison.trials("none")] == [sizes[0], sizes[2], sizes[4]]


def test_an_effort_runs_as_it_ships(comparison):
    shipped = EFFORTS["quick"]
    strength, size = comparison.chosen("effort-quick")
    assert strength == shipped.strength and size == pytest.approx(5 * 0.02)  # momentum's share of the model's rate
    curves = comparison.final("effort-quick")
    assert curves.steps[-1] == shipped.seeds_first + shipped.steps
    assert curves.values["cosine_to_start"].shape[1] == PLAN.noises


def test_the_default_runs_by_its_own_steps_and_for_all_the_time(tmp_path):
    """With the settings that ship at any size, whatever was chosen for others."""
    comparison = timed(
        compared(tmp_path, ["gper"], ["short"], steps=50, efforts=(OURS, LONGER)), gper=0.4, best_of_n=0.1
    )
    assert comparison.steps(OURS) == SHIPPED.steps == comparison.steps("gper-short")
    assert comparison.steps(LONGER) == 50 - SEEDS // 4
    large = compared(tmp_path / "8", ["gper"], ["short"], side=8, tuned=comparison, efforts=(OURS, LONGER))
    assert {of.chosen(name) for of in (comparison, large) for name in (OURS, LONGER)} == {(SHIPPED.strength, 0.1)}


def test_times_measured_otherwise_are_not_taken_over(comparison, tmp_path):
    assert compared(tmp_path).timings_file == comparison.timings_file
    others = [compared(tmp_path, batch=1).timings_file, compared(tmp_path, timing_rounds=2).timings_file]
    assert len({comparison.timings_file, *others}) == 3


def test_runs_that_are_not_stopped(comparison):
    third, shipped = (comparison.long_run("none", factor) for factor in (1 / 3, 1.0))
    assert third.steps[-1] == shipped.steps[-1] == PLAN.long_steps
    assert (third.values["cosine_to_start"][-1] > shipped.values["cosine_to_start"][-1]).all()
