"""A resumable run of training steps. Every step has a random generator of its own: a stop changes nothing."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from ..composition import CELLS, CHANNELS
from ..layout import to_latent
from ..scene import PROMPTS, plan
from .optimizer import Optimizer

logger = logging.getLogger(__name__)

SAVE_EVERY = 50
LOG_EVERY = 50


@dataclass(frozen=True)
class Stage:
    """What a stage is called, how long it runs and how fast it learns."""

    name: str
    seed: int
    steps: int
    batch: int | dict[int, int]  # pictures a step, or how many of each scale
    rate: float


def draw_noise(batch: int, generator: torch.Generator, scale: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """White noise (batch, 16, 8k, 8k), k being the scale, and prompts (batch,), uniform."""
    return (
        torch.randn(batch, CHANNELS, CELLS * scale, CELLS * scale, generator=generator),
        torch.randint(len(PROMPTS), (batch,), generator=generator),
    )


def run(
    stage: Stage,
    modules: dict[str, nn.Module],
    loss: Callable[[torch.Generator], tuple[torch.Tensor, dict[str, float]]],
    work: Path,
    averages: Mapping[str, AveragedModel] = MappingProxyType({}),
) -> None:
    """Train `modules` in place; a finished stage is read back from `work`, a stopped one goes on.

    Args:
        loss: maps the step's generator of randomness to the loss and the figures to log.
        averages: of the weights over the steps, by the name of the module whose they are; kept like the modules.
    """
    path = work / f"{stage.name}.pt"
    optimizer = Optimizer(list(modules.values()), stage.steps, stage.rate)
    kept = {**modules, **{f"average of {name}": average for name, average in averages.items()}}
    first = 0
    if path.exists():
        state = torch.load(path, weights_only=True)
        for name, module in kept.items():
            module.load_state_dict(state[name])
        first = state["step"]
        if first < stage.steps:
            optimizer.load_state_dict(state["optimizer"])
    sums: dict[str, float] = {}
    start = time.perf_counter()
    for index in range(first, stage.steps):
        generator = torch.Generator().manual_seed(stage.seed * 1_000_000 + index)
        value, figures = loss(generator)
        optimizer.step(index, value)
        for name, average in averages.items():
            average.update_parameters(modules[name])
        for name, figure in figures.items():
            sums[name] = sums.get(name, 0.0) + figure
        done = index + 1
        if done % LOG_EVERY == 0 or done == stage.steps:
            count = done - first if done - first < LOG_EVERY else LOG_EVERY
            text = " ".join(f"{name} {total / count:.4f}" for name, total in sums.items())
            logger.info("%s %d/%d %s (%.0f s)", stage.name, done, stage.steps, text, time.perf_counter() - start)
            sums = {}
        if done % SAVE_EVERY == 0 or done == stage.steps:
            state = {name: module.state_dict() for name, module in kept.items()}
            torch.save({**state, "optimizer": optimizer.state_dict(), "step": done}, path)


def scenes(stage: Stage, generator: torch.Generator):
    """One batch of a stage: noise, prompts, scenes and their latents."""
    noise, prompt = draw_noise(stage.batch, generator)
    scene = plan(noise, prompt)
    return noise, prompt, scene, to_latent(scene)
