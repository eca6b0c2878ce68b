"""Hands jobs to workers, keeps what comes back, and lets nothing that breaks end the rest."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import worker as ends
from .job_queue import TRIES, JobQueue
from .overrides import overridden
from .progress import Progress
from .results import DiskFull, Results
from .workflow import Workflow

GLANCE_SECONDS = 0.2
LOSSES = 3  # of a worker without a job done in between, until it is given up
PLACING_SECONDS = 1800  # for a worker to be placed, and for its ComfyUI to start
STARTING, FREE, BUSY, GONE = "starting", "free", "busy", "gone"


class DoesNotFit(ValueError):
    """The workflow cannot run on these ComfyUIs; the text says why, a line each."""


class NoWorker(RuntimeError):
    """No worker is left."""


@dataclass
class Seat:
    """A worker as the driver sees it. models: of its last job, which it still holds."""

    name: str
    actor: Any
    state: str = STARTING
    models: str | None = None
    losses: int = 0
    since: float = field(default_factory=time.monotonic)


class Driver:
    """template: the workflow before a job sets anything. actors: by name. grown: called now and then."""

    def __init__(
        self,
        template: Workflow,
        queue: JobQueue,
        results: Results,
        actors: dict[str, Any],
        progress: Progress,
        grown: Callable[[], None] = lambda: None,
    ) -> None:
        self.template = template
        self.queue = queue
        self.results = results
        self.seats = [Seat(name, actor) for name, actor in actors.items()]
        self.progress = progress
        self.grown = grown
        self.stopping = False
        self._waiting: dict[Any, Seat] = {}  # by what is awaited of it
        self._told_to_stop = False

    def stop(self) -> None:
        """End every run within one step; what is done is kept. May be called from a signal handler."""
        self.stopping = True

    def run(self) -> None:
        """Run until every job is done or set aside, or `stop` was called.

        Raises:
            DoesNotFit, NoWorker, DiskFull: as their names say.
        """
        import ray

        for seat in self.seats:
            self._start(seat)
        try:
            while self._goes_on():
                arrived, _ = ray.wait(list(self._waiting), num_returns=1, timeout=GLANCE_SECONDS)
                for reference in arrived:
                    self._answered(self._waiting.pop(reference), reference)
                self.progress.show(len(self.queue.running))
                self.grown()
        finally:
            self._close()

    def _goes_on(self) -> bool:
        """Hand out jobs, or the word to stop; whether there is something to wait for."""
        if self.stopping and not self._told_to_stop:
            self._told_to_stop = True
            self.progress.say("stopping at the next step; Ctrl-C again ends at once")
            for seat in self.seats:
                if seat.state == BUSY:
                    seat.actor.stop.remote()
        if self.stopping:
            return bool(self.queue.running)
        for seat in self.seats:
            if seat.state == FREE and len(self.queue):
                self.results.check_room(len(self.queue.running) + 1)
                self._hand_out(seat)
            elif seat.state == STARTING and time.monotonic() - seat.since > PLACING_SECONDS:
                self._give_up(seat, f"it did not start within {PLACING_SECONDS} s")
        if not len(self.queue) and not self.queue.running:
            return False
        if all(seat.state == GONE for seat in self.seats):
            raise NoWorker(f"no worker is left, {len(self.queue)} jobs are not done")
        return True

    def _start(self, seat: Seat) -> None:
        seat.state, seat.since, seat.models = STARTING, time.monotonic(), None
        # While the process of an actor is being restarted Ray refuses calls, but for those that it may try again.
        start = seat.actor.start.options(max_task_retries=-1)
        self._waiting[start.remote(self.template, self.queue.values())] = seat

    def _hand_out(self, seat: Seat) -> None:
        self.progress.began()
        job = self.queue.take(seat.name, seat.models)
        seat.state, seat.models = BUSY, job.models
        self._waiting[seat.actor.run.remote(overridden(self.template, job.values), job.key)] = seat

    def _answered(self, seat: Seat, reference: Any) -> None:
        import ray

        busy = seat.state == BUSY
        try:
            answer = ray.get(reference)
        except ray.exceptions.RayActorError as error:
            if busy:
                self._failed(seat, f"the process of {seat.name} was ended\n{error}")
            self._lost(seat, "its process was ended")
            return
        except ray.exceptions.RayTaskError as error:
            if busy:
                self._failed(seat, str(error))
            self._lost(seat, str(error.cause or error))
            return
        if busy:
            self._ended(seat, answer)
        else:
            self._started(seat, answer)

    def _started(self, seat: Seat, answer: dict[str, Any]) -> None:
        if answer["problems"]:
            raise DoesNotFit("\n".join(answer["problems"]))
        seat.state = FREE
        self.progress.say(f"{seat.name} is ready: {answer['device']} ({answer['where']})")

    def _ended(self, seat: Seat, outcome: ends.Outcome) -> None:
        seat.state = FREE
        if outcome.status == ends.DONE:
            job = self.queue.running[seat.name]
            record = self.results.write(job, {**outcome.record, "worker": seat.name}, outcome.files)
            self.queue.finish(seat.name)
            self.progress.add(record)
            seat.losses = 0
        elif outcome.status == ends.FULL:
            raise DiskFull(f"the disk of a worker is full: make room and run the same command again.\n{outcome.error}")
        elif outcome.status == ends.LOST:
            self.queue.give_back(seat.name)
            self._lost(seat, outcome.error)
        elif outcome.status == ends.STOPPED and self.stopping:
            self.queue.give_back(seat.name)
        else:
            self._failed(seat, outcome.error)

    def _failed(self, seat: Seat, error: str) -> None:
        """Count a try of the seat's job; the last one sets it aside."""
        if self.stopping:
            self.queue.give_back(seat.name)
            return
        job = self.queue.running[seat.name]
        first = error.strip().splitlines()[0]
        if self.queue.fail(seat.name, error):
            self.progress.failed += 1
            workflow = overridden(self.template, job.values)
            file = self.results.set_aside(job, workflow, self.queue.errors[job.key])
            self.progress.say(f"set aside after {TRIES} tries: {job.about}: {first}\n  {file}")
        else:
            self.progress.say(f"tried again later: {job.about}: {first}")

    def _lost(self, seat: Seat, why: str) -> None:
        seat.losses += 1
        if self.stopping:
            seat.state = GONE
        elif seat.losses >= LOSSES:
            self._give_up(seat, why)
        else:
            self._start(seat)

    def _give_up(self, seat: Seat, why: str) -> None:
        import ray

        seat.state = GONE
        ray.kill(seat.actor)  # else Ray goes on starting it
        self._waiting = {reference: other for reference, other in self._waiting.items() if other is not seat}
        self.progress.say(f"{seat.name} is lost for good, the others go on: {why}")

    def _close(self) -> None:
        """End the servers in an orderly way; what does not answer ends with Ray."""
        import ray

        closing = [seat.actor.close.remote() for seat in self.seats if seat.state in (FREE, BUSY)]
        if closing:
            ray.wait(closing, num_returns=len(closing), timeout=15)
