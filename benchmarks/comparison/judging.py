"""What is said of a trajectory: the target, held-out rewards, judges, and how white its noise still is."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from preconditioning import measure_whiteness

from .cells import Cell, Trajectory, write_tensors
from .subject import Subject

WHITENESS = ("relative_norm", "mean", "excess_kurtosis", "one_norm_deviation", "energy_deviation",
             "spectral_flatness", "cosine_to_start")
BATCH = 16


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


def judge(trajectory: Trajectory, subject: Subject) -> dict[str, Tensor]:
    """(K, B) by name, see `scores`, and the fields of `Whiteness`: of the noise of every kept step."""
    prompts, rows, before = list(trajectory.prompts), [], None
    for noise in trajectory.noise:
        if before is None or not torch.equal(noise, before):  # else it is as it was judged
            found = scores(subject, pictures(subject, noise, prompts), prompts)
            white = measure_whiteness(noise, trajectory.noise[0])
            found |= {name: getattr(white, name) for name in WHITENESS}
        before = noise
        rows.append(found)
    return {name: torch.stack([row[name].float().cpu() for row in rows]) for name in rows[0]}


def judged_cell(cell: Cell, trajectory: Trajectory, subject: Subject, folder: Path) -> dict[str, Tensor]:
    """Read the cell's judgement, or pass it and write it down."""
    path = folder / cell.file_name
    if not path.exists():
        write_tensors(path, judge(trajectory, subject))
    values = load_file(path)
    values.pop("steps", None)  # of files from before: the trajectory's
    return values
