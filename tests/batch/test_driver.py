"""The driver over real Ray actors that need no ComfyUI."""

import os
import signal
import time

import pytest

from batch.cluster import ROOT
from batch.driver import Driver
from batch.job_queue import JobQueue
from batch.jobs import Job
from batch.progress import Progress
from batch.results import Results
from batch.worker import DONE, Outcome

ray = pytest.importorskip("ray")
SLOW_SECONDS = 4


class SlowToReturn:
    """A worker whose process is killed in its first job, and takes a while to be there again."""

    def __init__(self, marker):
        self.marker = marker
        if marker.exists():
            time.sleep(SLOW_SECONDS)

    def start(self, workflow, values):
        return {"problems": [], "device": "none", "where": "here"}

    def run(self, workflow, key):
        if not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return Outcome(DONE, {"key": key, "rewards": [], "pictures": []})

    def close(self):
        pass


@pytest.fixture
def ray_here(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="CRITICAL")
    yield
    ray.shutdown()


def test_a_worker_that_is_slow_to_come_back_is_waited_for(ray_here, tmp_path):
    results = Results(tmp_path / "out")
    results.prepare()
    jobs = [Job(name * 16, row, name, row, {}, "none") for row, name in enumerate("ab")]
    actor = ray.remote(SlowToReturn).options(max_restarts=-1, max_concurrency=2, num_cpus=1).remote(tmp_path / "killed")
    Driver({}, JobQueue(jobs), results, {"worker 1": actor}, Progress(len(jobs), 0)).run()
    assert results.done() == {job.key for job in jobs}
