"""Runs that are kept: one method, one step size, one batch of noises, as a safetensors file of its own.

A cell holds the best noise at some steps and every reward. What judges say of it lies in a file beside it: judging is
repeatable and cheap, an ascent is neither. A stopped comparison goes on at the first cell that has no file.
"""

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from optimization import Step
from preconditioning import describe_whiteness, measure_whiteness
from preconditioning.whiteness_verdict import WHITE

from .contenders import Contender, Task
from .demo_subject import Subject

logger = logging.getLogger(__name__)

TUNING_SEED, FINAL_SEED = 100_000, 200_000  # of the first noise; noise i has the seed + i
WHITENESS = ("relative_norm", "excess_kurtosis", "cosine_to_start")
BATCH = 16  # of what is judged


@dataclass(frozen=True)
class Cell:
    """seeds: first seed and number of noises. steps: updates, or evaluations of a search; without the seeds that its
    contender tries first."""

    contender: Contender
    step_size: float | None
    first_seed: int
    count: int
    steps: int

    @property
    def file_name(self) -> str:
        """Other settings, another file."""
        size = "none" if self.step_size is None else f"{self.step_size:g}"
        return (f"{self.contender.name}_{size}_seed{self.first_seed}x{self.count}_{self.steps}_{self.contender.digest}"
                ".safetensors")

    @property
    def seeds(self) -> range:
        return range(self.first_seed, self.first_seed + self.count)


@dataclass(frozen=True)
class Trajectory:
    """steps: K of them, 0 the start; seeds that are tried first are counted. noise: (K, B, C, H, W), the best until
    each. rewards: (evaluations, B), as the method saw them. prompts: one for each noise."""

    steps: tuple[int, ...]
    noise: Tensor
    rewards: Tensor
    prompts: tuple[str, ...]

    def ends(self) -> "Trajectory":
        """Its first and its last step alone."""
        return replace(self, steps=(self.steps[0], self.steps[-1]), noise=self.noise[[0, -1]])


def marks(steps: int) -> tuple[int, ...]:
    """The steps at which a trajectory is kept: all at first, then ever fewer, at last every half more."""
    kept, mark = [], 0.0
    while mark < steps:
        kept.append(int(mark))
        mark = max(mark + 1, mark * 1.5)
    return (*kept, steps)


def noises(subject: Subject, seeds: Iterable[int]) -> tuple[Tensor, list[str]]:
    """White noise (B, C, H, W), each with a seed of its own, and the prompts that go with it."""
    drawn = [torch.randn(subject.latent_shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.stack(drawn), [subject.prompts[seed % len(subject.prompts)] for seed in seeds]


def task_of(subject: Subject, seeds: Iterable[int]) -> tuple[Task, list[str]]:
    """What a contender is to do on the noises of these seeds, and their prompts."""
    noise, prompts = noises(subject, seeds)
    return Task(noise, partial(subject.generate, prompts=prompts), partial(subject.reward, prompts=prompts),
                tuple(seeds), subject.graph_context), prompts


def run_cell(cell: Cell, subject: Subject, folder: Path) -> Trajectory:
    """Read the cell's file, or run it and write one."""
    path = folder / cell.file_name
    if not path.exists():
        task, prompts = task_of(subject, cell.seeds)
        last = cell.contender.seeds + cell.steps
        wanted, kept = set(marks(last)), {}

        def keep(step: Step) -> None:
            if step.index in wanted:
                kept[step.index] = step.record.best_noise.cpu()

        record = cell.contender.run(task, cell.step_size, cell.steps, keep)
        for incident in record.incidents:
            logger.warning("%s: step %d, noise %d: %s", cell.file_name, incident.step, incident.sample, incident.what)
        # A run that ended early stands still from there on.
        rewards = record.reward_history()
        rewards = torch.cat([rewards, rewards[-1:].expand(last + 1 - len(rewards), -1)])
        best = torch.stack([kept.get(step, record.best_noise.cpu()) for step in marks(last)])
        write_tensors(path, {"noise": best, "rewards": rewards, "steps": torch.tensor(marks(last))},
                      {"prompts": "\n".join(prompts)})
    with safe_open(path, "pt") as file:
        return Trajectory(tuple(file.get_tensor("steps").tolist()), file.get_tensor("noise"),
                          file.get_tensor("rewards"), tuple(file.metadata()["prompts"].split("\n")))


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """All of the file or nothing of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial_file = path.with_suffix(f".{os.getpid()}")  # another process may be at the same cell
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, partial_file, metadata)
    partial_file.rename(path)


def judged_cell(cell: Cell, trajectory: Trajectory, subject: Subject, folder: Path) -> dict[str, Tensor]:
    """Read the cell's judgement, or pass it and write it down."""
    path = folder / cell.file_name
    if not path.exists():
        write_tensors(path, judge(trajectory, subject))
    return load_file(path)


def judge(trajectory: Trajectory, subject: Subject) -> dict[str, Tensor]:
    """(K, B) by name, see `scores`, and fields of `Whiteness`: of the noise of every kept step. "white": whether Noise
    Statistics finds it white; of the last step alone, since it takes as long as the pictures."""
    prompts, rows, before = list(trajectory.prompts), [], None
    for noise in trajectory.noise:
        if before is None or not torch.equal(noise, before):  # else it is as it was judged
            found = scores(subject, pictures(subject, noise, prompts), prompts)
            white = measure_whiteness(noise, trajectory.noise[0])
            found |= {name: getattr(white, name) for name in WHITENESS}
            found["white"] = torch.full((len(noise),), torch.nan)
        before = noise
        rows.append(found)
    rows[-1] = rows[-1] | {"white": torch.tensor([describe_whiteness(one[None]) == WHITE for one in noise])}
    return {name: torch.stack([row[name].float().cpu() for row in rows]) for name in rows[0]}


@torch.no_grad()
def scores(subject: Subject, images: Tensor, prompts: list[str]) -> dict[str, Tensor]:
    """(B,) of every reward and judge: "target", "held out: ...", "judge: ..."."""
    found = {"target": subject.reward(images, prompts)}
    found |= {f"held out: {name}": score(images, prompts) for name, score in subject.held_out.items()}
    return found | {f"judge: {name}": judge(images) for name, judge in subject.judges.items()}


@torch.no_grad()
def pictures(subject: Subject, noise: Tensor, prompts: list[str]) -> Tensor:
    """(B, 3, H, W) of noise (B, C, H, W), a few at a time."""
    chunks = [subject.generate(noise[i:i + BATCH], prompts[i:i + BATCH]) for i in range(0, len(noise), BATCH)]
    return torch.cat(chunks)
