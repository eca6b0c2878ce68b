"""Who samples what: settings chosen on a few noises, the comparison on others. Each run is a file, run once."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from preconditioning import describe_whiteness
from preconditioning.whiteness_verdict import WHITE

from ..comparison.cells import BATCH, FINAL_SEED, TUNING_SEED, pictures, scores, write_tensors
from ..comparison.findings import Points, interval, size_text
from ..comparison.protocol import DEVICE, choose, held_out_key
from ..comparison.statistics import Interval
from ..shared import now
from ..whitening import lag_one
from .subject import SteppedSubject
from .ways import PLAIN, REFERENCE, SEEDS, WAYS, Task, Way

logger = logging.getLogger(__name__)

PROBE = 2  # of a count whose time is not known yet
LOOKED_AT = 3  # steps of which Noise Statistics is asked, which takes longer than a step
MORE = 20  # times the evaluations of NoiseTilt: what the paper gives best of n


@dataclass(frozen=True)
class Plan:
    """noises: of the comparison. tuning_noises: others, for the settings. settings: of each way at most so many."""

    noises: int = 64
    tuning_noises: int = 8
    settings: int = 5
    batch: int = 16


@dataclass(frozen=True)
class Row:
    """What became of a batch of noises. values: by name, (B,): rewards, judges, and how white the injected noise was.
    seconds: of one sample."""

    way: Way
    setting: float | None
    count: int
    values: dict[str, np.ndarray]
    tensors: dict[str, Tensor]
    seconds: float

    def interval(self, key: str) -> Interval:
        return interval(key, self.values[key])


class Runs:
    """climbed: the subject that is sampled. watched: the one that judges, a more exact one or the same."""

    def __init__(self, climbed: SteppedSubject, watched: SteppedSubject, plan: Plan, folder: Path) -> None:
        self.climbed, self.watched, self.plan, self.folder = climbed, watched, plan, folder
        self.held_out = [f"held out: {name}" for name in watched.held_out]
        self.judges = [f"judge: {name}" for name in watched.judges]

    def row(self, way: Way, setting: float | None, count: int, first_seed: int, noises: int) -> Row:
        parts = []
        for start in range(0, noises, self.plan.batch):
            seeds = tuple(range(first_seed + start, first_seed + min(start + self.plan.batch, noises)))
            name = f"{way.name}_{size_text(setting)}_{count}_seed{seeds[0]}x{len(seeds)}.safetensors"
            parts.append(self._cell(self.folder / name, way, setting, count, seeds))
        tensors = {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
        values = {key: tensor.double().numpy() for key, tensor in tensors.items() if tensor.dim() == 1}
        return Row(way, setting, count, values, tensors, float(values.pop("seconds").min()))

    def _cell(self, path: Path, way: Way, setting: float | None, count: int, seeds: Sequence[int]) -> dict[str, Tensor]:
        if not path.exists():
            task, started = Task(self.climbed, tuple(seeds)), now(DEVICE)
            sampled = way.run(task, setting, count)
            seconds = (now(DEVICE) - started) / len(seeds)
            tensors = {"few steps" if sampled.few_steps else "latent": sampled.tensor.cpu()}
            images = self.pictures(tensors, task.prompts)
            tensors["small"] = F.interpolate(images, (16, 16), mode="area")  # for the diversity
            tensors |= {key: value.float().cpu()
                        for key, value in scores(self.watched, images, task.prompts).items()}
            if sampled.injected is not None:
                tensors |= injected_whiteness(sampled.injected.cpu())
            write_tensors(path, {**tensors, "seconds": torch.full((len(seeds),), seconds)})
            logger.info("%s: %.1f s each, target %.2f", path.stem, seconds, tensors["target"].mean())
        return load_file(path)

    def pictures(self, tensors: dict[str, Tensor], prompts: list[str]) -> Tensor:
        if "few steps" in tensors:
            return pictures(self.watched, tensors["few steps"], prompts)
        with torch.no_grad():
            return torch.cat([self.watched.decode(part) for part in tensors["latent"].split(BATCH)]).cpu()

    def prompts(self, noises: int) -> list[str]:
        """Of the first noises of the comparison."""
        return Task(self.watched, tuple(range(FINAL_SEED, FINAL_SEED + noises))).prompts

    def trials(self, way: Way) -> dict[float | None, Row]:
        """By setting, on the tuning noises, in the time of NoiseTilt."""
        settings = way.settings[-self.plan.settings:]
        return {setting: self.row(way, setting, self.timely(way) if way.counted else 1, TUNING_SEED,
                                  self.plan.tuning_noises) for setting in settings}

    def chosen(self, way: Way) -> float | None:
        """The largest setting whose held-out reward no other beats by more than chance, see `choose`."""
        if len(way.settings) == 1:
            return way.settings[0]
        key = held_out_key(self.watched)
        return choose({setting: row.values[key] for setting, row in self.trials(way).items()})

    @cached_property
    def budget(self) -> float:
        """Seconds of one sample by NoiseTilt, the least of its trials."""
        return min(row.seconds for row in self.trials(WAYS[REFERENCE]).values())

    def timely(self, way: Way) -> int:
        """The count that takes as long as NoiseTilt: time goes by evaluations, from a short probe."""
        budget = self.budget  # before the probe, which should not pay for what comes once
        probe = self.row(way, way.settings[0], PROBE, TUNING_SEED, self.plan.tuning_noises)
        return way.count(budget / probe.seconds * way.evaluations(PROBE))

    def counts(self, way: Way) -> dict[int, str]:
        """What the way is given, and why."""
        if not way.counted:
            return {1: ""}
        evaluations = WAYS[REFERENCE].evaluations(1)
        found: dict[int, str] = {}
        wanted = {"equal evaluations": way.count(evaluations), "equal time": self.timely(way)}
        if way.name == SEEDS:
            wanted[f"{MORE} times the evaluations"] = way.count(MORE * evaluations)
        for why, count in wanted.items():
            found[count] = f"{found[count]} and {why.removeprefix('equal ')}" if count in found else why
        return found

    def finals(self, way: Way) -> dict[int, Row]:
        """By count, at the chosen setting, on noises that no choice has seen."""
        return {count: self.row(way, self.chosen(way), count, FINAL_SEED, self.plan.noises)
                for count in self.counts(way)}

    def by_strength(self) -> dict[float, Row]:
        """NoiseTilt at each of its settings, on the noises of the comparison: for reading, nothing is chosen by it."""
        way = WAYS[REFERENCE]
        return {setting: self.row(way, setting, 1, FINAL_SEED, self.plan.noises) for setting in self.trials(way)}

    def points(self, way: Way) -> Points:
        """What the way reached on the tuning noises in NoiseTilt's time, by setting, the first one plain sampling."""
        rows = [*self.trials(WAYS[PLAIN]).values(), *self.trials(way).values()]
        return Points(np.zeros(len(rows)), {key: np.stack([row.values[key] for row in rows])
                                            for key in ("target", *self.held_out, *self.judges)})


def injected_whiteness(injected: Tensor) -> dict[str, Tensor]:
    """(B,) each, of injected noise (B, steps, C, H, W): the share of a few steps that looks white, the mean lag-1
    correlation, and the mean cosine of one step's noise to the next step's."""
    flat = injected.flatten(2)
    few = injected[:, torch.linspace(0, injected.shape[1] - 1, LOOKED_AT).round().long().unique()]
    return {
        "looks white": torch.tensor([sum(describe_whiteness(noise[None]) == WHITE for noise in sample) / len(sample)
                                     for sample in few]),
        "lag-1": torch.tensor([sum(lag_one(noise[None]) for noise in sample) / len(sample) for sample in injected]),
        "step to step": torch.cosine_similarity(flat[:, 1:], flat[:, :-1], dim=2).mean(1),
    }
