"""Who gets which job, and what becomes of those that fail."""

from batch.job_queue import TRIES, JobQueue
from batch.jobs import Job


def job(name, models="m"):
    return Job(name, 0, name, 1, {}, models)


def test_in_order_while_the_models_are_the_same():
    queue = JobQueue([job("a"), job("b"), job("c")])
    assert [queue.take("1", None).key, queue.take("2", None).key] == ["a", "b"]
    queue.finish("1")
    assert queue.take("1", "m").key == "c"
    assert queue.take("2", "m") is None


def test_a_worker_keeps_its_models_and_workers_spread_over_them():
    queue = JobQueue([job(f"{models}{i}", models) for models in "xyz" for i in range(3)])
    taken = {worker: queue.take(worker, None).models for worker in "123"}
    assert sorted(taken.values()) == ["x", "y", "z"]
    for _ in range(2):
        for worker, models in taken.items():
            queue.finish(worker)
            assert queue.take(worker, models).models == models


def test_nobody_waits_for_jobs_of_its_own_models():
    queue = JobQueue([job("a", "x"), job("b", "y")])
    assert queue.take("1", "y").key == "b"
    queue.finish("1")
    assert queue.take("1", "y").key == "a"


def test_a_failed_job_comes_last_and_is_returned_after_the_last_try():
    queue = JobQueue([job("bad"), job("good")])
    tries = []
    while (taken := queue.take("1", "m")) is not None:
        tries.append(taken.key)
        if taken.key == "good":
            queue.finish("1")
        else:
            given_up = queue.fail("1", f"error {len(tries)}")
            assert (given_up is not None) == (tries.count("bad") == TRIES)
    assert tries == ["bad", "good", "bad", "bad"]
    assert queue.errors["bad"] == ["error 1", "error 3", "error 4"]
    assert not queue.running


def test_a_job_that_was_given_back_comes_first_and_has_not_failed():
    queue = JobQueue([job("a"), job("b")])
    queue.take("1", None)
    queue.give_back("1")
    assert len(queue) == 2 and not queue.errors
    assert queue.take("1", None).key == "a"
