"""Runs that are kept: one method, one step size, one batch of noises, as a safetensors file of its own.

A cell holds the best noise at some steps and every reward, nothing that a judge said: judging is repeatable and
cheap, an ascent is neither. A stopped comparison goes on at the first cell that has no file.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from optimization import Step

from .contenders import Contender, Task
from .subject import Subject

logger = logging.getLogger(__name__)

TUNING_SEED, FINAL_SEED = 100_000, 200_000  # of the first noise; noise i has the seed + i


@dataclass(frozen=True)
class Cell:
    """seeds: first seed and number of noises. steps: updates, or evaluations of a search; without the seeds that its
    contender tries first."""

    contender: str
    step_size: float | None
    first_seed: int
    count: int
    steps: int

    @property
    def file_name(self) -> str:
        size = "none" if self.step_size is None else f"{self.step_size:g}"
        return f"{self.contender}_{size}_seed{self.first_seed}x{self.count}_{self.steps}.safetensors"

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(range(self.first_seed, self.first_seed + self.count))


@dataclass(frozen=True)
class Trajectory:
    """steps: K of them, 0 the start; seeds that are tried first are counted. noise: (K, B, C, H, W), the best until
    each. rewards: (evaluations, B), as the method saw them. prompts: one for each noise."""

    steps: tuple[int, ...]
    noise: Tensor
    rewards: Tensor
    prompts: tuple[str, ...]


def marks(steps: int) -> tuple[int, ...]:
    """The steps at which a trajectory is kept: all at first, then ever fewer, at last every third more."""
    kept, mark = [], 0.0
    while mark < steps:
        kept.append(int(mark))
        mark = max(mark + 1, mark * 1.33)
    return (*kept, steps)


def noises(subject: Subject, seeds: Iterable[int]) -> tuple[Tensor, list[str]]:
    """White noise (B, C, H, W), each with a seed of its own, and the prompts that go with it."""
    drawn = [torch.randn(subject.latent_shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.stack(drawn), [subject.prompts[seed % len(subject.prompts)] for seed in seeds]


def run_cell(cell: Cell, contender: Contender, subject: Subject, folder: Path) -> Trajectory:
    """Read the cell's file, or run it and write one."""
    path = folder / cell.file_name
    if path.exists():
        return _read(path)
    noise, prompts = noises(subject, cell.seeds)
    last = contender.seeds + cell.steps
    wanted, kept = set(marks(last)), {}

    def keep(step: Step) -> None:
        if step.index in wanted:
            kept[step.index] = step.record.best_noise.cpu()

    task = Task(noise, lambda x: subject.generate(x, prompts), lambda images: subject.reward(images, prompts),
                cell.seeds, subject.graph_context)
    record = contender.run(task, cell.step_size, cell.steps, keep)
    for incident in record.incidents:
        logger.warning("%s: step %d, noise %d: %s", cell.file_name, incident.step, incident.sample, incident.what)
    # A run that ended early stands still from there on.
    rewards = record.reward_history()
    rewards = torch.cat([rewards, rewards[-1:].expand(last + 1 - len(rewards), -1)])
    best = torch.stack([kept.get(step, record.best_noise.cpu()) for step in marks(last)])
    write_tensors(path, {"noise": best, "rewards": rewards, "steps": torch.tensor(marks(last))},
                  {"prompts": "\n".join(prompts)})
    return _read(path)


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """All of the file or nothing of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, partial, metadata)
    partial.rename(path)


def _read(path: Path) -> Trajectory:
    with safe_open(path, "pt") as file:
        prompts = tuple(file.metadata()["prompts"].split("\n"))
        return Trajectory(tuple(file.get_tensor("steps").tolist()), file.get_tensor("noise"),
                          file.get_tensor("rewards"), prompts)
