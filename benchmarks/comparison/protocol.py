"""Who runs what on which noises: choice of step sizes and strengths, the comparison itself, runs that are not stopped.

Every contender is tuned on the same few noises by the same rule, then runs once on noises that no choice has seen, and
all that is told of it is of this run. Time is
the time of so many steps of the paper's method; what a step of each method costs is measured side by side, so that the
load of the machine at the hour of a run does not matter.
"""

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np
import scipy.stats
import torch
from torch import Tensor

from ..shared import now, write_json
from .cells import FINAL_SEED, TUNING_SEED, Cell, judged_cell, run_cell, task_of
from .contenders import EFFORT_RUNS, METHODS, OURS, REFERENCE, SEED_SEARCH, STRENGTH, Ascent, Contender, Task
from .demo_subject import Subject

logger = logging.getLogger(__name__)

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
CHOSEN_BY = "held out"  # on which held-out reward settings are chosen; the first one where it has another name


@dataclass(frozen=True)
class Plan:
    """How much is run. noises: of the comparison. tuning_noises: others, for the choices. steps: the budget, in steps
    of the paper's method. step_sizes: trial values of each contender: 1, 2, 3 or 5. strengths: of those that stay near
    their start. long_steps, long_noises, long_of: of the runs that are not stopped, the last the names of
    their contenders. efforts: of `EFFORT_RUNS`. left_out: of the contenders that nobody named, where steps are long."""

    noises: int = 64
    tuning_noises: int = 8
    steps: int = 60
    step_sizes: int = 5
    strengths: tuple[float, ...] = (0.1, STRENGTH, 0.2)
    long_steps: int = 200
    long_noises: int = 16
    long_of: tuple[str, ...] = (REFERENCE, OURS)
    efforts: tuple[str, ...] = tuple(EFFORT_RUNS)
    left_out: tuple[str, ...] = ()
    batch: int = 16
    timing_rounds: int = 5


@dataclass(frozen=True)
class Curves:
    """What became of a batch of noises. steps: K of them, the first 0; seeds that are tried first are counted.
    seconds: (K,) since the start, per noise. values: by name, (K, B). targets: (evaluations, B) the best until each, as
    the method saw them. noise: (B, C, H, W) in the end."""

    steps: tuple[int, ...]
    seconds: np.ndarray
    values: dict[str, np.ndarray]
    targets: np.ndarray
    noise: Tensor
    prompts: tuple[str, ...]


class Comparison:
    """Runs, judges and keeps in `folder` what the report needs; what lies there already is not run again.

    climbed: the subject that methods work on. watched: the subject that judges work on; the same one, or a more
    exact one. tuned: the comparison at another size that settings are taken from; None to choose them here.
    step_seconds: of one noise, by method.
    """

    def __init__(self, climbed: Subject, watched: Subject, contenders: dict[str, Contender], plan: Plan,
                 folder: Path, tuned: "Comparison | None" = None) -> None:
        self.climbed, self.watched, self.contenders, self.plan, self.folder = climbed, watched, contenders, plan, folder
        self.tuned = tuned
        self._run, self.chosen = cache(self._run), cache(self.chosen)
        self.step_seconds = self._timings()
        self.reference_seconds, self.seed_seconds = self.step_seconds[REFERENCE], self.step_seconds[SEED_SEARCH]

    @property
    def budget(self) -> float:
        """Seconds per noise."""
        return self.plan.steps * self.reference_seconds

    @property
    def timings_file(self) -> Path:
        """Measured otherwise, another file."""
        return self.folder / (f"seconds_per_step_batch{timed_noises(self.plan)}_rounds{self.plan.timing_rounds}"
                              f"_threads{torch.get_num_threads()}.json")

    def steps(self, name: str) -> int:
        """Steps that fit into the budget, after the seeds that are tried first; for a search, evaluations."""
        contender = self.contenders[name]
        return contender.steps or max(1, round(
            (self.budget - contender.seeds * self.seed_seconds) / self.step_seconds[contender.method]))

    def seconds(self, contender: Contender, steps: Sequence[int]) -> np.ndarray:
        """(K,) that a noise has taken when so many steps are done, seeds that are tried first among them."""
        evaluated = np.array(steps)
        return (np.minimum(evaluated, contender.seeds) * self.seed_seconds
                + np.maximum(evaluated - contender.seeds, 0) * self.step_seconds[contender.method])

    def trials(self, name: str) -> dict[tuple[float, float | None], Curves]:
        """By strength and step size, on the tuning noises: every step size at the strength that ships, and every
        strength at the step size that was chosen."""
        contender = self.contenders[name]
        sizes = [(STRENGTH, size) for size in self._sizes(contender)]
        strengths = self.plan.strengths if contender.stays_near else ()
        others = [(strength, self._best_size(name)) for strength in strengths]
        return {setting: self._trial(name, *setting) for setting in dict.fromkeys([*sizes, *others])}

    def chosen(self, name: str) -> tuple[float, float | None]:
        """Strength and step size. Of a run as it ships its own; at another size than the one that was tuned at, the
        same share of the noise's norm: steps that follow the gradient's length grow with the norm.

        By `choose`, the step size at the strength that ships, then the strength. Of held-out rewards, and not of
        the target: the largest step size has the highest target, and every method that can leave white noise would be
        judged at its worst.
        """
        contender = self.contenders[name]
        if contender.ships:
            return contender.recipe.strength, contender.recipe.learning_rate(self.climbed.learning_rate)
        if self.tuned is not None:
            strength, size = self.tuned.chosen(name)
            if isinstance(contender, Ascent) and not contender.recipe.adaptive:
                size *= (np.prod(self.climbed.latent_shape) / np.prod(self.tuned.climbed.latent_shape)) ** 0.5
            return strength, size
        size = self._best_size(name)
        if not contender.stays_near:
            return STRENGTH, size
        return choose({strength: self._told(name, strength, size) for strength in self.plan.strengths}), size

    def final(self, name: str) -> Curves:
        """With the chosen settings, on noises that no choice has seen."""
        strength, size = self.chosen(name)
        return self._run(self._at(name, strength), size, FINAL_SEED, self.steps(name), self.plan.noises, whole=True)

    def long_run(self, name: str, factor: float) -> Curves:
        """At so many times the step size that ships, not stopped, on the tuning noises."""
        contender = self.contenders[name]
        size = factor * contender.recipe.learning_rate(self.climbed.learning_rate)
        return self._run(contender, size, TUNING_SEED, self.plan.long_steps, self.plan.long_noises)

    def _sizes(self, contender: Contender) -> tuple[float | None, ...]:
        stride = max(1, (len(contender.step_sizes) - 1) // max(1, self.plan.step_sizes - 1))
        return contender.step_sizes[::stride][:self.plan.step_sizes]

    def _best_size(self, name: str) -> float | None:
        sizes = self._sizes(self.contenders[name])
        return sizes[0] if len(sizes) == 1 else choose({size: self._told(name, STRENGTH, size) for size in sizes})

    def _trial(self, name: str, strength: float, size: float | None) -> Curves:
        return self._run(self._at(name, strength), size, TUNING_SEED, self.steps(name), self.plan.tuning_noises)

    def _told(self, name: str, strength: float, size: float | None) -> np.ndarray:
        """(B,) of the held-out reward at the end of a trial."""
        return self._trial(name, strength, size).values[held_out_key(self.watched)][-1]

    def _at(self, name: str, strength: float) -> Contender:
        contender = self.contenders[name]
        return contender.within(strength) if contender.stays_near else contender

    def _run(self, contender: Contender, size: float | None, seed: int, steps: int, count: int, whole: bool = False
             ) -> Curves:
        """whole: judged at every kept step, else at the start and the end alone."""
        trajectories, judged = [], []
        for start in range(0, count, self.plan.batch):
            cell = Cell(contender, size, seed + start, min(self.plan.batch, count - start), steps)
            started = time.process_time()
            trajectory = run_cell(cell, self.climbed, self.folder / "cells")
            trajectories.append(trajectory if whole else trajectory.ends())
            judged.append(judged_cell(cell, trajectories[-1], self.watched,
                                      self.folder / ("judged" if whole else "judged_ends")))
            spent = time.process_time() - started
            if spent > 2:
                logger.info("%s: %.0f s, target %.3f", cell.file_name, spent, judged[-1]["target"][-1].mean())
        values = {name: torch.cat([part[name] for part in judged], 1).double().numpy() for name in judged[0]}
        rewards = torch.cat([trajectory.rewards for trajectory in trajectories], 1).double().numpy()
        return Curves(trajectories[0].steps, self.seconds(contender, trajectories[0].steps), values,
                      np.fmax.accumulate(rewards), torch.cat([trajectory.noise[-1] for trajectory in trajectories]),
                      tuple(chain.from_iterable(trajectory.prompts for trajectory in trajectories)))

    def _timings(self) -> dict[str, float]:
        """Seconds of a step by method, kept in a file of the folder."""
        path = self.timings_file
        known: dict[str, float] = kept(path, dict)
        wanted = (REFERENCE, SEED_SEARCH, *(contender.method for contender in self.contenders.values()))
        missing = [METHODS[name] for name in dict.fromkeys(wanted) if name not in known]
        if missing:
            reference = [METHODS[REFERENCE]] if REFERENCE in known else []
            measured = seconds_per_step([*reference, *missing], self.climbed, self.plan)
            # A method that is added later is measured against the first, whose step keeps its time.
            scale = known[REFERENCE] / measured[REFERENCE] if reference else 1.0
            found = {contender.name: measured[contender.name] * scale for contender in missing}
            known = found | kept(path, dict)  # once more: another process may have been faster
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
    """The largest setting whose mean score is within one standard error of the best mean; scores are (B,).

    The one-standard-error rule of Breiman et al., "Classification and Regression Trees" (1984), with speed in the
    place of simplicity: what the tuning noises cannot tell apart is not chosen between by chance.
    """
    best = max(scores.values(), key=np.mean)
    least = best.mean() - (scipy.stats.sem(best) if len(best) > 1 else 0.0)
    return max(size for size, values in scores.items() if values.mean() >= least)


def timed_noises(plan: Plan) -> int:
    return min(plan.batch, plan.noises)


def seconds_per_step(contenders: Sequence[Contender], subject: Subject, plan: Plan) -> dict[str, float]:
    """Seconds of one step for one noise, by method: the least of some rounds in which the methods take turns."""
    task, _ = task_of(subject, range(TUNING_SEED, TUNING_SEED + timed_noises(plan)))
    rounds = [{contender.name: _step_seconds(contender, task) for contender in contenders}
              for _ in range(plan.timing_rounds)]
    return {name: min(seconds[name] for seconds in rounds) / len(task.noise) for name in rounds[0]}


def _step_seconds(contender: Contender, task: Task) -> float:
    """From the first evaluation to the second: one whole step, without what comes once."""
    moments: list[float] = []
    contender.run(task, contender.step_sizes[0], 2, lambda step: moments.append(now(DEVICE)))
    return moments[1] - moments[0]
