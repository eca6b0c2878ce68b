"""Which job comes next, and what becomes of one that failed. No processes, no files."""

from __future__ import annotations

from collections import Counter, defaultdict

from .jobs import Job

TRIES = 3


class JobQueue:
    """jobs: in the order in which they are wanted, those with the same models one after the other."""

    def __init__(self, jobs: list[Job]) -> None:
        self._waiting = list(jobs)
        self.running: dict[str, Job] = {}  # by worker
        self.errors: dict[str, list[str]] = defaultdict(list)  # by key

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, worker: str, models: str | None) -> Job | None:
        """The next job for a worker that holds these models: one that uses them, else of models that few use now."""
        if not self._waiting:
            return None
        used = Counter(job.models for name, job in self.running.items() if name != worker)
        place = min(
            range(len(self._waiting)),
            key=lambda i: (self._waiting[i].models != models, used[self._waiting[i].models], i),
        )
        job = self._waiting.pop(place)
        self.running[worker] = job
        return job

    def finish(self, worker: str) -> Job:
        """The worker's job is done, or set aside."""
        return self.running.pop(worker)

    def give_back(self, worker: str) -> None:
        """Put a job back that nothing speaks against."""
        self._waiting.insert(0, self.running.pop(worker))

    def fail(self, worker: str, error: str) -> Job | None:
        """The job has failed: it is tried again after the others.

        After TRIES it is returned instead, to be set aside.
        """
        job = self.running.pop(worker)
        self.errors[job.key].append(error)
        if len(self.errors[job.key]) >= TRIES:
            return job
        self._waiting.append(job)
        return None
