"""What is said of a trajectory: the target, held-out rewards, judges, and how white its noise still is."""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from preconditioning import measure_whiteness

from .cells import Cell, Trajectory
from .subject import Subject

WHITENESS = ("relative_norm", "mean", "excess_kurtosis", "one_norm_deviation", "energy_deviation",
             "spectral_flatness", "cosine_to_start")
BATCH = 16


@dataclass(frozen=True)
class Judged:
    """steps: (K,). values: by name, (K, B): "target", "held out: ...", "judge: ...", and the fields of `Whiteness`."""

    steps: Tensor
    values: dict[str, Tensor]

    @classmethod
    def joined(cls, parts: list["Judged"]) -> "Judged":
        """Of batches that were kept at the same steps, as one."""
        return cls(parts[0].steps, {name: torch.cat([part.values[name] for part in parts], 1)
                                    for name in parts[0].values})


@torch.no_grad()
def scores(subject: Subject, images: Tensor, prompts: list[str]) -> dict[str, Tensor]:
    """(B,) of every reward and judge."""
    found = {"target": subject.reward(images, prompts)}
    found |= {f"held out: {name}": score(images, prompts) for name, score in subject.held_out.items()}
    return found | {f"judge: {name}": judge(images) for name, judge in subject.judges.items()}


@torch.no_grad()
def pictures(subject: Subject, noise: Tensor, prompts: list[str]) -> Tensor:
    """(B, 3, H, W) of noise (B, C, H, W), a few at a time."""
    chunks = [subject.generate(noise[i:i + BATCH], prompts[i:i + BATCH]) for i in range(0, len(noise), BATCH)]
    return torch.cat(chunks)


def judge(trajectory: Trajectory, subject: Subject) -> Judged:
    """Judge the noise of every kept step. A noise that did not change since the last one is not judged again."""
    prompts, values, before = list(trajectory.prompts), {}, None
    for step, noise in enumerate(trajectory.noise):
        if before is None or not torch.equal(noise, before):
            found = scores(subject, pictures(subject, noise, prompts), prompts)
            white = measure_whiteness(noise, trajectory.noise[0])
            found |= {name: getattr(white, name) for name in WHITENESS}
        before = noise
        for name, value in found.items():
            values.setdefault(name, torch.empty(len(trajectory.steps), len(prompts)))[step] = value.float().cpu()
    return Judged(torch.tensor(trajectory.steps), values)


def judged_cell(cell: Cell, trajectory: Trajectory, subject: Subject, folder: Path) -> Judged:
    """Read the cell's judgement, or pass it and write it down."""
    path = folder / cell.file_name
    if path.exists():
        with safe_open(path, "pt") as file:
            values = {name: file.get_tensor(name) for name in file.keys() if name != "steps"}  # noqa: SIM118
            return Judged(file.get_tensor("steps"), values)
    judged = judge(trajectory, subject)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file({"steps": judged.steps, **judged.values}, partial)
    partial.rename(path)
    return judged
