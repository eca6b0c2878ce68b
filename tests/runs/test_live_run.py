"""Which runs are known to the page, and which of them are asked to stop."""

from gper_pack.runs.live_run import DONE, MAX_RUNS, LiveRun, LiveRuns


def ascent(node="1", prompt="a"):
    return LiveRun(node=node, prompt=prompt, workflow=None, curves=["x"], watched=[False], steps=3)


def test_runs_of_other_prompts_and_earlier_runs_of_a_node_are_forgotten():
    kept = LiveRuns()
    first, again, other, later = (ascent(*names) for names in (("1", "a"), ("1", "a"), ("2", "a"), ("2", "b")))
    for run in (first, again, other):
        kept.add(run)
    assert kept.all() == [again, other] and kept.find(first.run) is None
    kept.add(later)
    assert kept.all() == [later] and kept.find(later.run) is later


def test_only_so_many_runs_are_kept():
    kept = LiveRuns()
    for index in range(MAX_RUNS + 5):
        kept.add(ascent(node=str(index)))
    assert [run.node for run in kept.all()] == [str(index + 5) for index in range(MAX_RUNS)]


def test_only_running_ascents_are_stopped():
    kept = LiveRuns()
    running, over = ascent("1"), ascent("2")
    over.state = DONE
    for run in (running, over):
        kept.add(run)
    assert kept.stop("2") == [] and kept.stop() == ["1"]
    assert running.stop_requested and not over.stop_requested
