"""The report of a run, and the sheet that shows it: which words stand for which run."""

import pytest
import torch
from gper_pack.optimization import Step
from gper_pack.optimization.record import Best
from gper_pack.runs.kept_images import KeptImages
from gper_pack.runs.report_image import report_image
from gper_pack.runs.run_report import headline, run_report, summary
from gper_pack.runs.scores_in_words import BARS, sparkline

from .finished_runs import NAN, finished, plain_seeds
from .noises import noise

RISING = [[1.0, 2.0], [3.0, 2.5], [2.0, 4.0]]
SEEDS = [[1.0, 2.0], [3.0, 1.5], [0.0, 2.5]]  # the second one and the third
FROM_SEEDS = SEEDS + [[3.0, 2.5], [4.0, 2.0], [5.0, 3.0]]


@pytest.mark.parametrize(
    "rewards, said",
    [
        (RISING, "mix: 1.5000 at the start, 3.5000 at best"),
        ([[1.0, NAN], [3.0, NAN]], "mix: 1.0000 at the start, 3.0000 at best"),
        ([[NAN, NAN], [3.0, NAN]], "mix: not finite at the start, 3.0000 at best"),
        ([[NAN, NAN], [NAN, NAN]], "mix: no finite score"),
    ],
)
def test_the_headline_is_about_what_is_finite(rewards, said):
    assert headline(finished(rewards)) == said


@pytest.mark.parametrize(
    "run, said",
    [
        (dict(rewards=RISING), "The best noise of each of the 2 pictures came at steps 1 to 2. 2 steps in"),
        (dict(rewards=[[2.0, 2.0], [1.0, 1.0]]), "No noise was better than the start noise."),
        (dict(rewards=[[2.0, 2.0]]), "No other noise than the start noise was tried."),
        (dict(rewards=RISING), "Stopped: all 2 steps done.\nAbout.\n"),
        (dict(rewards=RISING, typical_range=(0.0, 3.0)), "above what ordinary pictures get (0 to 3)"),
        (dict(rewards=RISING, incidents=[(1, 1, "the gradient is zero")]),
         "Picture 2 was left at its best from step 1 on: the gradient is zero."),
        (dict(rewards=RISING * 3, incidents=[(step, 0, "", False) for step in range(7)]),
         "Picture 1 had no finite score at 7 of 9 noises, which were passed over (step 0, 1, 2, 3, 4 and more)."),
        (dict(rewards=FROM_SEEDS, seeds=3),
         "The best noise of each of the 2 pictures came at step 2. 2 steps in"),
        (dict(rewards=FROM_SEEDS, seeds=3),
         "Of 3 seeds the best one was 1.2500 better than the first; the steps added 1.2500."),
        (dict(rewards=[[9.0, 9.0], *FROM_SEEDS[1:]], seeds=3), "Of 3 seeds the best one was the first; the steps"),
        (dict(rewards=[*SEEDS, [3.0, 2.5], [1.0, 1.0]], seeds=3), "No step was better than the best seed. 1 steps"),
        (dict(rewards=SEEDS[:2], seeds=3), "Only seeds were tried. 0 steps"),
        (dict(rewards=SEEDS[:2], seeds=3), "Of 2 seeds the best one was 1.0000 better than the first.\n"),
        (dict(rewards=[[NAN, NAN], *FROM_SEEDS[1:]], seeds=3),
         "Of 3 seeds the best one was not the first, whose score was not finite; the steps added 1.2500."),
        (dict(rewards=[[NAN, 2.0], *FROM_SEEDS[1:]], seeds=3),
         "Of 3 seeds the best one was 0.5000 better than the first; the steps added 1.2500."),
        (dict(rewards=FROM_SEEDS, seeds=3, incidents=[(4, 1, "the gradient is zero"), (1, 0, "", False)]),
         "Picture 2 was left at its best from step 1 on: the gradient is zero.\n"
         "Picture 1 had no finite score at 1 of 3 noises, which were passed over (seed 2)."),
    ],
)  # fmt: skip
def test_what_happened_is_said(run, said):
    assert said in summary(finished(**run))


@pytest.mark.parametrize("seeds", [0, 3])
def test_a_run_that_goes_back_to_its_start_had_better_noise(seeds):
    """As a watched reward makes it, which falls at once."""
    run = finished(FROM_SEEDS if seeds else RISING, seeds=seeds)
    start = run.record.ascent_start
    run.record.go_back(Best(noise(), run.record.reward_history()[start], torch.full((2,), start)))
    said = "The noise is that of the best seed." if seeds else "The noise is that of step 0."
    assert said in summary(run) and "better than" not in summary(run).splitlines()[0]


def test_seeds_without_a_finite_score_have_no_best_one():
    assert "the best one" not in summary(finished([[NAN, NAN]] * 6, seeds=3))


def test_what_is_ordinary_is_not_mentioned():
    said = summary(finished(RISING))
    assert not any(word in said for word in ("ordinary pictures", "finite", "left at its best", "seed"))
    assert "Of 1 seeds" not in summary(finished(SEEDS[:1], seeds=3))


def test_the_tables_hold_every_reward_and_picture():
    report = run_report(finished(RISING, {"beauty": [[0.0, 2.0], [1.0, 2.0], [NAN, 4.0]]})).splitlines()
    (beauty,) = (line.split() for line in report if line.startswith("beauty"))
    assert beauty[1:] == ["1.0000", "4.0000", f"{BARS[0]}{BARS[1]}{BARS[-1]}"]
    first, second = (line.split() for line in report[-2:])
    assert first[:4] == ["1", "1.0000", "3.0000", "1"] and second[:4] == ["2", "2.0000", "4.0000", "2"]
    assert not any(line.startswith("mean over the pictures") for line in run_report(finished(RISING)).splitlines())


def test_the_tables_tell_the_seeds_that_the_steps_began_with():
    """The curve is that of the steps; the start is the noise that was given."""
    parts = {"beauty": [[0.0, 0.0], [9.0, 9.0], [5.0, 5.0], [1.0, 1.0], [2.0, 2.0], [8.0, 8.0]]}
    report = run_report(finished(FROM_SEEDS, parts, seeds=3, start_seeds=[2**64 - 1, 12])).splitlines()
    (beauty,) = (line.split() for line in report if line.startswith("beauty"))
    assert beauty[1:] == ["0.0000", "8.0000", f"{BARS[0]}{BARS[1]}{BARS[-1]}"]
    head, first, second = report[-3:]
    assert first.split()[:6] == ["1", "1.0000", str(2**64 - 1), "3.0000", "5.0000", "2"]
    assert second.split()[:6] == ["2", "2.0000", "12", "2.5000", "3.0000", "2"]
    for word in ("from seed", "with", "best", "at step"):
        assert head.index(word) == {"from seed": 19, "with": 41, "best": 51, "at step": 61}[word]
    assert first.index("3.0000") == 41 and first.index("5.0000") == 51 and first.rindex(" 2 ") + 1 == 61


PLAIN = dict(mix=[0.1 * k for k in range(35)], beauty=[float(k) for k in range(35)])  # to 3.4 and to 34


def test_every_score_is_told_as_a_number_of_seeds():
    """Of several pictures the range in words, each one in the table."""
    report = run_report(
        finished(RISING, {"beauty": [[0.0, 2.0], [34.0, 2.0], [NAN, 1000.0]]}, plain=plain_seeds(**PLAIN))
    )
    assert (
        "mix: as good as the best of 5 to 53, by 35 plain seeds; beauty: as good as the best of 35 to more than 350, "
        in report
    )
    assert "by 35 plain seeds. This says how rare a score is, not how good the picture is.\n" in report
    head, first, second = report.splitlines()[-3:]
    place = head.index("best of seeds")
    assert first[place:].startswith("5 (2 to 12)") and second[place:].startswith("53 (15 to more than 350)")
    few = plain_seeds(mix=PLAIN["mix"][:7])
    assert run_report(finished(RISING, plain=few)) == run_report(finished(RISING))


def test_a_warning_is_said():
    assert "\nLikely fooled.\nAbout.\n" in summary(finished(RISING, warning="Likely fooled."))


@pytest.mark.parametrize(
    "values, drawn",
    [
        ([], ""),
        ([None, NAN], ""),
        ([1.0], BARS[0]),
        ([0.0, None, 7.0], f"{BARS[0]} {BARS[-1]}"),
        (list(map(float, range(400))), "".join(BARS[round(i * 399 // 39 / 399 * 7)] for i in range(40))),
    ],
)
def test_a_curve_in_a_line(values, drawn):
    assert sparkline(values) == drawn


def test_the_sheet_shows_start_and_best_pictures():
    start, better = torch.full((2, 3, 32, 32), 0.25), torch.full((2, 3, 32, 32), 0.75)
    images = KeptImages()
    result = finished(RISING, images=images)
    images.add(Step(0, start, torch.zeros(2), torch.tensor([True, True]), result.record))
    before = report_image(result)
    assert images.add(Step(1, better, torch.zeros(2), torch.tensor([False, True]), result.record))
    after = report_image(result)
    assert after.shape == before.shape and after.shape[0] == 1 and after.shape[-1] == 3 and after.dtype == torch.float32
    assert after.min() >= 0 and after.max() <= 1
    changed = (before != after).any(-1)[0]
    assert after[0][changed].median() == pytest.approx(round(0.75 * 255) / 255)  # the second picture's best alone
