"""Who runs what on which noises: choice of step sizes, the comparison itself, ablations.

Every method chooses its step size on the same few noises by the same rule, then runs on noises that no choice has
seen. Time is the time of the budget's steps without any protection; what a step of each method costs is measured
side by side, so that the load of the machine at the hour of a run does not matter.
"""

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import scipy.stats
import torch
from torch import Tensor

from ..shared import now, write_json
from .cells import FINAL_SEED, TUNING_SEED, Cell, judged_cell, run_cell, task_of
from .contenders import BASELINES, CONTENDERS, REFERENCE, SEED_SEARCH, Contender, Task
from .demo_subject import Subject
from .statistics import at_time

logger = logging.getLogger(__name__)

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
BATCHES = (1, 4, 16)
CHOSEN_BY = "held out"  # on which held-out reward step sizes are chosen; the first one where it has another name


@dataclass(frozen=True)
class Plan:
    """How much is run. steps: the budget of the comparison. tuning_steps: of the trials, at least `steps`; longer
    ones show what becomes of an ascent that is not stopped, for the methods named in `long_trials`."""

    noises: int = 64
    tuning_noises: int = 8
    steps: int = 100
    tuning_steps: int = 200
    long_trials: tuple[str, ...] = ()
    batch: int = 16
    timing_rounds: int = 5


@dataclass(frozen=True)
class Curves:
    """What became of a batch of noises. seconds: (K,) since the start, per noise. values: by name, (K, B). noise:
    (B, C, H, W) in the end."""

    steps: tuple[int, ...]
    seconds: np.ndarray
    values: dict[str, np.ndarray]
    noise: Tensor
    prompts: tuple[str, ...]

    def at(self, name: str, moment: float) -> np.ndarray:
        """(B,) of a value at a moment."""
        return at_time(self.seconds, self.values[name], moment)


class Comparison:
    """Runs, judges and keeps in `folder` what the report needs; what lies there already is not run again.

    climbed: the subject that methods work on. watched: the subject that judges work on; the same one, or a more
    exact one.
    """

    def __init__(self, climbed: Subject, watched: Subject, contenders: dict[str, Contender], plan: Plan,
                 folder: Path) -> None:
        self.climbed, self.watched, self.contenders, self.plan, self.folder = climbed, watched, contenders, plan, folder
        self._run = cache(self._run)
        timings = self._timings()
        self.step_seconds = {name: timings[contender.timed_as or name] for name, contender in contenders.items()}
        self.seed_seconds = timings.get(SEED_SEARCH, 0.0)

    @property
    def budget(self) -> float:
        """Seconds of the unprotected ascent's steps, per noise."""
        first = next(name for name in (*BASELINES, *self.contenders) if name in self.contenders)
        return self.plan.steps * self.step_seconds[first]

    def steps(self, name: str, steps: int) -> int:
        """Steps of a method: for a search, the evaluations that take as long as that many steps of ascent; with seeds
        first, fewer by those that take as long as the seeds."""
        contender = self.contenders[name]
        if contender.needs_gradient:
            return max(1, steps - round(contender.seeds * self.seed_seconds / self.step_seconds[name]))
        return max(1, round(steps / self.plan.steps * self.budget / self.step_seconds[name]))

    def trials(self, name: str) -> dict[float | None, Curves]:
        """By step size, on the tuning noises."""
        steps = self.steps(name, self.plan.tuning_steps if name in self.plan.long_trials else self.plan.steps)
        contender = self.contenders[name]
        return {size: self._run(contender, size, TUNING_SEED, steps) for size in contender.step_sizes}

    def chosen(self, name: str) -> float | None:
        """The largest step size with no worse a held-out reward at the end of the budget than the best, see `choose`.

        Held out, and not the target: the largest step size has the highest target, and every method that can leave
        white noise would be judged at its worst.
        """
        sizes = self.contenders[name].step_sizes
        if len(sizes) == 1:
            return sizes[0]
        key = held_out_key(self.watched)
        return choose({size: curves.at(key, self.budget) for size, curves in self.trials(name).items()})

    def final(self, name: str) -> Curves:
        """At the chosen step size, on noises that no choice has seen."""
        steps = self.steps(name, self.plan.steps)
        return self._run(self.contenders[name], self.chosen(name), FINAL_SEED, steps)

    def ablation(self, contender: Contender) -> Curves:
        """At its only step size, on the tuning noises; its step counts as long as the paper's."""
        return self._run(contender, contender.step_sizes[0], TUNING_SEED, self.plan.steps)

    def seconds_by_batch(self) -> dict[int, float]:
        """Seconds of a step of the paper's method for one noise, by how many are optimized at once; kept in a file."""

        def measured() -> dict[int, float]:
            contenders = [self.contenders[REFERENCE]]
            plans = [replace(self.plan, batch=n, noises=n) for n in BATCHES if n <= self.plan.batch]
            return {plan.batch: seconds_per_step(contenders, self.climbed, plan)[REFERENCE] for plan in plans}

        found = kept(self.folder / "seconds_by_batch.json", measured)
        return {int(batch): seconds for batch, seconds in found.items()}

    def _run(self, contender: Contender, size: float | None, seed: int, steps: int) -> Curves:
        count = self.plan.noises if seed == FINAL_SEED else self.plan.tuning_noises
        trajectories, judged = [], []
        for start in range(0, count, self.plan.batch):
            cell = Cell(contender.name, size, seed + start, min(self.plan.batch, count - start), steps)
            started = time.process_time()
            trajectories.append(run_cell(cell, contender, self.climbed, self.folder / "cells"))
            judged.append(judged_cell(cell, trajectories[-1], self.watched, self.folder / "judged"))
            spent = time.process_time() - started
            if spent > 2:
                logger.info("%s: %.0f s, target %.3f", cell.file_name, spent, judged[-1]["target"][-1].mean())
        values = {name: torch.cat([part[name] for part in judged], 1).double().numpy() for name in judged[0]}
        evaluated = np.array(trajectories[0].steps)
        step_seconds = self.step_seconds.get(contender.name) or self.step_seconds[REFERENCE]
        seconds = (np.minimum(evaluated, contender.seeds) * self.seed_seconds
                   + np.maximum(evaluated - contender.seeds, 0) * step_seconds)
        return Curves(trajectories[0].steps, seconds, values,
                      torch.cat([trajectory.noise[-1] for trajectory in trajectories]),
                      tuple(prompt for trajectory in trajectories for prompt in trajectory.prompts))

    def _timings(self) -> dict[str, float]:
        """Seconds of a step by method, kept in a file of the folder."""
        path = self.folder / "seconds_per_step.json"
        known: dict[str, float] = kept(path, dict)
        wanted = [contender.timed_as or contender.name for contender in self.contenders.values()]
        wanted += [SEED_SEARCH] * any(contender.seeds for contender in self.contenders.values())
        missing = [CONTENDERS[name] for name in dict.fromkeys(wanted) if name not in known]
        if missing:
            reference = [CONTENDERS[name] for name in BASELINES[:1] if name in known]
            measured = seconds_per_step([*reference, *missing], self.climbed, self.plan)
            # A method that is added later is measured against the first, whose step keeps its time.
            scale = known[reference[0].name] / measured[reference[0].name] if reference else 1.0
            known |= {contender.name: measured[contender.name] * scale for contender in missing}
            write_json(path, known)
        return known


def kept(path: Path, make: Callable[[], dict]) -> dict:
    """What the JSON file holds; it is made where there is none."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, make())
    return json.loads(path.read_text())


def held_out_key(subject: Subject) -> str:
    name = CHOSEN_BY if CHOSEN_BY in subject.held_out else next(iter(subject.held_out))
    return f"held out: {name}"


def choose(scores: dict[float, np.ndarray]) -> float:
    """The largest step size whose mean score is within one standard error of the best mean; scores are (B,).

    The one-standard-error rule of Breiman et al., "Classification and Regression Trees" (1984), with speed in the
    place of simplicity: what the tuning noises cannot tell apart is not chosen between by chance.
    """
    best = max(scores.values(), key=np.mean)
    least = best.mean() - (scipy.stats.sem(best) if len(best) > 1 else 0.0)
    return max(size for size, values in scores.items() if values.mean() >= least)


def seconds_per_step(contenders: Sequence[Contender], subject: Subject, plan: Plan) -> dict[str, float]:
    """Seconds of one step for one noise, by method: the least of some rounds in which the methods take turns."""
    task, _ = task_of(subject, range(TUNING_SEED, TUNING_SEED + min(plan.batch, plan.noises)))
    rounds = [{contender.name: _step_seconds(contender, task) for contender in contenders}
              for _ in range(plan.timing_rounds)]
    return {name: min(seconds[name] for seconds in rounds) / len(task.noise) for name in rounds[0]}


def _step_seconds(contender: Contender, task: Task) -> float:
    """From the first evaluation to the second: one whole step, without what comes once."""
    moments: list[float] = []
    contender.run(task, contender.step_sizes[0], 2, lambda step: moments.append(now(DEVICE)))
    return moments[1] - moments[0]
