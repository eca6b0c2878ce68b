"""How much the scores of a mix differ between seeds: the units in which a run with equal pull compares noises."""

import logging
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from ..optimization import RunRecord
from ..optimization.evaluations import attempt, never
from .score_history import ScoreHistory

SEED_SHIFT = 0xD1B54A32D192ED03
DEGREES_OF_FREEDOM = 7  # a deviation from so many is right to a quarter

log = logging.getLogger(__name__)


def measured_first(search: Callable[..., RunRecord], scores: ScoreHistory, seed: int) -> Callable[..., RunRecord]:
    """`search` that first has the spreads of `scores` measured, if its reward needs them.

    Measured on noises that are drawn for it, without gradients: the pictures of a run follow one another, so how much
    they differ says how far the run went. Before the run and once, so that all of its noises are compared by the same
    units.

    Args:
        search: with everything bound but `noise`, `generate`, `reward`, `graph_context` and `retry`.
        scores: the reward that it is given.
        seed: the run's; other noises than those of the seeds next to it are drawn.

    Returns:
        `search` itself where nothing has to be measured, else a search with the same arguments.
    """
    if not scores.needs_spreads:
        return search

    def search_with_spreads(
        noise: Tensor,
        generate: Callable[[Tensor], Tensor],
        reward: Callable[[Tensor], Tensor],
        graph_context: Callable[[], AbstractContextManager] = nullcontext,
        retry: Callable[[Exception], bool] = never,
        **more,
    ) -> RunRecord:
        measure_spreads(scores, noise, generate, seed, graph_context, retry)
        return search(noise, generate, reward, graph_context=graph_context, retry=retry, **more)

    return search_with_spreads


def measure_spreads(
    scores: ScoreHistory,
    noise: Tensor,
    generate: Callable[[Tensor], Tensor],
    seed: int,
    graph_context: Callable[[], AbstractContextManager] = nullcontext,
    retry: Callable[[Exception], bool] = never,
    finished: bool = True,
) -> None:
    """Measure the spreads of `scores` on noises of the shape of `noise` (B, ...), which `generate` makes pictures of.

    seed, graph_context, retry: as for `measured_first` and its search.
    finished: whether the pictures are finished ones, or what a model expects of the noises at its first step.
    """
    generator = torch.Generator().manual_seed((seed + SEED_SHIFT) % 2**64)

    def draw() -> dict[str, Tensor]:
        with torch.no_grad():
            return {name: part.float().cpu() for name, part in scores.score_all(generate(drawn)).items()}

    draws = []
    for _ in range(1 + math.ceil(DEGREES_OF_FREEDOM / noise.shape[0])):
        drawn = torch.randn(noise.shape, generator=generator).to(noise.device)
        draws.append(attempt(draw, graph_context, retry))
    scores.measure({name: torch.stack([parts[name] for parts in draws]) for name in draws[0]}, finished)
    log.info(scores.about_spreads)
