"""When a run is suspected of fooling its reward, and which noise is from before."""

import pytest
import torch
from gper_pack.optimization import RunRecord, Step
from gper_pack.runs.fooled import FooledWatch
from gper_pack.runs.plain_seeds import PlainSeeds

NAN = torch.nan
SEEDS = [float(score) for score in torch.randn(16, generator=torch.Generator().manual_seed(1))]


def followed(target, watched, seeds=16, guards=("watched",)):
    """A run of one picture or more: its record and what is suspected. target, watched: score or scores by step."""
    target, watched = (torch.tensor(rows).reshape(len(rows), -1) for rows in (target, watched))
    pictures = target.shape[1]
    plain = PlainSeeds()
    for score in SEEDS[:seeds]:
        plain.add({"target": torch.full((pictures,), score)})
    watch = FooledWatch("target", guards, plain)
    record = RunRecord.start(torch.zeros(pictures, 2))
    for index, (high, seen) in enumerate(zip(target, watched, strict=True)):
        improved = record.add(torch.full((pictures, 2), float(index)), high)
        watch.read({"target": high, **dict.fromkeys(guards, seen)}, Step(index, torch.empty(0), high, improved, record))
    return record, watch.suspicion(record), watch


RISING = [0.0, 0.5, 1.0, 20.0, 21.0, 22.0, 23.0]


@pytest.mark.parametrize(
    "watched, since",
    [
        ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], None),  # it follows
        ([0.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0], 3),  # it stands still
        ([0.0, 1.0, 2.0, 3.0, 4.0, 1.0, 0.0], 5),  # it follows for a while
        ([0.0, 1.0, 2.0, 1.0, 3.0, 1.0, 0.0], 5),  # it falls only for a while, and then for good
        ([0.0, 1.0, 2.0, 1.0, 1.0, 1.0, 3.0], None),  # the best one is followed
        ([3.0, 2.0, 1.0, 2.0, 2.0, 2.0, 2.0], None),  # it fell while the target was within reach
        ([NAN, NAN, 2.0, NAN, 3.0, NAN, NAN], None),  # what is not finite says nothing
        ([0.0, 2.0, NAN, 1.0, 1.0, 1.0, 1.0], 3),  # and does not take away what was known
    ],
)
def test_it_is_suspected_from_where_the_watched_reward_stays_behind(watched, since):
    record, suspicion, watch = followed(RISING, watched)
    assert watch.since(record) == since
    if since is None:
        assert suspicion is None
        return
    assert suspicion.step == since and suspicion.watched == ("watched",)
    good = max(step for step in range(since) if step < 3 or not watched[step] <= 2.0)
    assert suspicion.sound.step.tolist() == [good] and suspicion.sound.reward.tolist() == [RISING[good]]
    assert suspicion.sound.noise.unique().tolist() == [good]
    assert record.best_step.tolist() == [6]


def test_within_reach_of_seeds_nothing_is_suspected():
    assert followed([0.0, 0.5, 0.75, 1.0], [4.0, 3.0, 2.0, 1.0])[1] is None


def test_without_seeds_enough_nothing_is_suspected():
    assert followed(RISING, [0.0] * 7, seeds=7)[1] is None


def test_without_a_watched_reward_nothing_is_suspected():
    assert followed(RISING, [0.0] * 7, guards=())[1] is None


def test_a_start_that_is_out_of_reach_is_what_the_watched_reward_starts_from():
    record, suspicion, _ = followed([20.0, 21.0, 22.0], [5.0, 6.0, 5.0])
    assert suspicion.step == 2 and suspicion.sound.step.tolist() == [1]


def test_each_picture_is_suspected_by_itself():
    target = [[score, score + 0.25] for score in RISING]
    watched = [[float(step), 0.0] for step in range(7)]
    record, suspicion, _ = followed(target, watched)
    assert suspicion.pictures.tolist() == [False, True] and suspicion.step == 3
    assert suspicion.sound.step.tolist() == [6, 2] and suspicion.sound.noise[:, 0].tolist() == [6.0, 2.0]
    said = suspicion.text("target", "Kept.")
    assert said.startswith("Likely fooled from step 3 on (picture 2): target went far beyond what plain seeds reach")
    assert said.endswith("watched, which only watched, did not follow. Kept.")


def test_a_run_that_went_back_is_not_suspected():
    record, suspicion, watch = followed(RISING, [2.0] * 7)
    assert suspicion.step == 3
    record.go_back(suspicion.sound)
    assert watch.suspicion(record) is None
