"""Starting Ray on a machine that keeps it waiting."""

import pytest

from batch.cluster import TRIES, _start_ray


class BusyMachine:
    """Stands in for Ray, which cannot be made to run out of time at will."""

    def __init__(self, failures):
        self.failures = failures
        self.calls = []

    def init(self, **options):
        self.calls.append(options)
        if self.calls.count(options) <= self.failures:
            raise Exception("The current node timed out during startup.\nSome of it failed.")

    def shutdown(self):
        self.calls.append("shutdown")


def test_ray_is_given_another_try():
    ray = BusyMachine(TRIES - 1)
    _start_ray(ray, num_cpus=2)
    assert ray.calls == [{"num_cpus": 2}, "shutdown", {"num_cpus": 2}, "shutdown", {"num_cpus": 2}]


def test_what_to_do_when_it_does_not_start():
    with pytest.raises(OSError, match=r"Ray does not start \(The current node timed out.*\): is this machine busy"):
        _start_ray(BusyMachine(TRIES), num_cpus=2)
