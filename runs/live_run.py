"""What pages and the API may know of the ascents of a prompt, and how they ask one to stop. No tensors."""

import threading
import uuid
from dataclasses import dataclass, field

MAX_RUNS = 32

RUNNING, DONE, FAILED = "running", "done", "failed"


@dataclass
class LiveRun:
    """One run of one node. The executing thread writes it, the server's thread reads it.

    Attributes:
        node: the id that the node has on the page; inside subgraphs the ids of the way to it, joined by colons.
        prompt: id of the prompt in ComfyUI's queue; None outside of it.
        workflow: id of the page's workflow; None for a prompt that came without one.
        curves: names, the target first.
        watched: for each curve whether it only watches.
        steps: at the most.
        seeds: how many are tried before the first step, and the evaluations of how many come first in `history`.
        seeds_best: mean of the best seed's reward of each picture, once all are tried; None until then, and where none
            is finite.
        settings: the method in words, shown as they are; of a sampling that is over, its report.
        sampling: whether the run is a sampling, whose "best" is the latest, and which ends by plain steps.
        history: for each evaluation one value per curve, the mean over the pictures, None where it is not finite.
        best: mean of each picture's best reward; None where none is finite.
        in_seeds: how many plain seeds' best is as good as the best ones, in words; empty where that is not known.
        warning: what looks wrong, in words; empty without.
        seconds_per_step, seconds_left: None while unknown.
        pictures: "start" and "best" as JPEG.
        picture_count: grows with each new best picture.
        state: `RUNNING`, `DONE` or `FAILED`.
        ended: why, once the state is not running.
        run: the id of this run.
    """

    node: str
    prompt: str | None
    workflow: str | None
    curves: list[str]
    watched: list[bool]
    steps: int
    settings: str = ""
    sampling: bool = False
    seeds: int = 0
    seeds_best: float | None = None
    history: list[list[float | None]] = field(default_factory=list)
    best: float | None = None
    in_seeds: str = ""
    warning: str = ""
    seconds_per_step: float | None = None
    seconds_left: float | None = None
    pictures: dict[str, bytes] = field(default_factory=dict)
    picture_count: int = 0
    state: str = RUNNING
    ended: str = ""
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def stop_requested(self) -> bool:
        """Whether somebody asked for the end."""
        return self._stop.is_set()

    def request_stop(self) -> None:
        """Ask for the end after the step in progress; the request is this run's alone."""
        self._stop.set()

    def event(self) -> dict:
        """What a page is told after each step: a few hundred bytes."""
        return {
            "run": self.run,
            "node": self.node,
            "workflow": self.workflow,
            "step": len(self.history) - 1,
            "values": self.history[-1] if self.history else [],
            "best": self.best,
            "in_seeds": self.in_seeds,
            "warning": self.warning,
            "seeds": self.seeds,
            "seeds_best": self.seeds_best,
            "seconds_per_step": self.seconds_per_step,
            "seconds_left": self.seconds_left,
            "picture_count": self.picture_count,
            "stopping": self.stop_requested,
            "state": self.state,
            "ended": self.ended,
            "settings": self.settings,
        }

    def snapshot(self) -> dict:
        """All of it but the pictures, for a page that comes later."""
        history = list(self.history)  # it grows while it is read
        return self.event() | {
            "prompt": self.prompt,
            "curves": self.curves,
            "watched": self.watched,
            "steps": self.steps,
            "sampling": self.sampling,
            "step": len(history) - 1,
            "history": history,
        }


class LiveRuns:
    """The ascents of the latest prompt that has any; at most `MAX_RUNS`, one for each node."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ascents: dict[str, LiveRun] = {}

    def add(self, ascent: LiveRun) -> None:
        """Take in a new run; runs of other prompts and earlier runs of its node are forgotten."""
        with self._lock:
            kept = [a for a in self._ascents.values() if a.prompt == ascent.prompt and a.node != ascent.node]
            self._ascents = {a.run: a for a in [*kept, ascent][-MAX_RUNS:]}

    def find(self, run: str) -> LiveRun | None:
        """The run of this id; None where it is forgotten."""
        with self._lock:
            return self._ascents.get(run)

    def all(self) -> list[LiveRun]:
        """In the order in which they started."""
        with self._lock:
            return list(self._ascents.values())

    def stop(self, node: str | None = None) -> list[str]:
        """Ask the run of `node`, or every run, to stop; returns the nodes that were running."""
        running = [a for a in self.all() if a.state == RUNNING and node in (None, a.node)]
        for ascent in running:
            ascent.request_stop()
        return [ascent.node for ascent in running]


LIVE_RUNS = LiveRuns()
