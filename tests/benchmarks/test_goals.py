"""Verdicts, on numbers made up."""

import math

import numpy as np
import pytest

from benchmarks.comparison import goals
from benchmarks.comparison.findings import FrontGap, Gain, MatchedTime
from benchmarks.comparison.statistics import Interval

KEY = ("prno", "judge: energy")


def matched(value, low, high, seconds=2.0):
    return MatchedTime(1.5, "prno", 3.0, seconds, Interval(value, low, high))


@pytest.mark.parametrize(
    "found, met",
    [
        ([matched(0.1, 0.05, 0.25), matched(0.2, 0.1, 0.3)], True),
        ([matched(0.1, 0.05, 0.25), matched(0.2, 0.1, 0.4)], None),
        ([matched(0.4, 0.2, 0.5)], None),
        ([matched(0.2, 0.1, 0.4), matched(0.5, 0.4, math.inf)], False),
        ([matched(0.0, 0.0, 0.0, math.inf)], True),  # no rival climbs within the limit, ours does
        ([matched(1.0, 1.0, 1.0, 0.0)], None),  # nobody does
    ],
)
def test_time(found, met):
    goal = goals._time("a", "", found)
    assert goal.met is met
    assert ("no baseline's steps" in goal.evidence) == (not found[0].rival_climbs)


def test_fronts():
    level, below = FrontGap(-0.2, 0.1), FrontGap(-0.3, -0.1)
    assert goals._fronts("c", "", {KEY: level}, []).met is True
    missed = goals._fronts("c", "", {KEY: below, ("mpgr", "held out: x"): level}, ["none"])
    assert missed.met is False
    assert missed.evidence == "below PRNO (energy, -0.30, at most -0.10); higher targets: no protection"


@pytest.mark.parametrize("low, high, met", [(0.01, 0.3, True), (-0.05, 0.34, None), (-0.4, -0.1, False)])
def test_the_highest_held_out_reward(low, high, met):
    """By the run that had as much time; the shorter one is told."""
    goal = goals._held_out("d", "", Gain("PRNO", Interval(0.1, low, high), Interval(-0.5, -0.6, -0.4)))
    assert goal.met is met and "over PRNO" in goal.evidence and "-0.50 [-0.60, -0.40]" in goal.evidence


def test_half_of_the_pictures_sound_is_not_the_median():
    half, most = ({"judge: x": np.array(errors)} for errors in ([1, 1, 9, 9], [1, 1, 1, 9]))
    for ends, met in (([most, most], True), ([most, half], False)):
        goal = goals._left_running(200, {"judge: x": 2.0}, {goals.OURS: ends, goals.REFERENCE: [half]})
        assert goal.met is met and f"at {1 + met} of 2" in goal.evidence and "as published at 0" in goal.evidence


@pytest.mark.parametrize(
    "count, kurtosis, white, met", [(1, 0.1, 1, True), (64, 0.1, 1, False), (64, 0.03, 1, True), (64, 0.0, 0, False)]
)
def test_noise_is_white_as_far_as_so_many_noises_tell(count, kurtosis, white, met):
    """The mean over 64 noises strays an eighth as far as one; one noise in 64 that is called otherwise is enough."""
    end = {"white": np.ones(count), "excess_kurtosis": np.full(count, kurtosis)}
    end["white"][0] = white
    plain = {"white": np.ones(count), "excess_kurtosis": np.zeros(count)}
    assert goals._white(200, 1024, [plain, end]).met is met
