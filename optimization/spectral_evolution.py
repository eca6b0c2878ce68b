"""Spectral evolution search: evolve the coarse layout of the noise, leave its details."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import torch
from torch import Tensor

from .evaluations import Step, never
from .local_search import SEED_SHIFT
from .record import RunRecord
from .search import search
from .stopping import Stopping

POPULATION, ELITES = 10, 5
LEAST_VARIANCE = 1e-7


class Band(Protocol):
    """The coefficients (B, d) of noise (B, ...) that are searched; of white noise they are white."""

    def coefficients(self, noise: Tensor) -> Tensor: ...

    def replaced(self, noise: Tensor, coefficients: Tensor) -> Tensor: ...


def spectral_evolution_search(
    noise: Tensor,
    generate: Callable[[Tensor], Tensor],
    reward: Callable[[Tensor], Tensor],
    *,
    band: Band,
    population: int = POPULATION,
    elites: int = ELITES,
    seed: int = 0,
    stopping: Stopping | None = None,
    callback: Callable[[Step], str | None] | None = None,
    graph_context: Callable[[], AbstractContextManager] = nullcontext,
    retry: Callable[[Exception], bool] = never,
    movable: Tensor | None = None,
) -> RunRecord:
    """Climb `reward(generate(noise))` by a cross-entropy search over a band, each sample of the batch on its own.

        mean = 0, variance = 1
        repeat:  try `population` draws of N(mean, diag variance), at the norm that white noise has in the band
                 elites = the best of all that was tried;  mean, variance = those of the elites

    After "Spectral Evolution Search" (arXiv 2602.03208) and the code of its authors in DiffSynth-Studio, where
    population, elites, the archive of all evaluations and the start from N(0, 1) are the same. Three things are our
    choice. A candidate is brought to the norm sqrt(d) of the d coefficients: without it the mean grows while the
    variance shrinks, and a louder band, noise that is no noise, accounts for a good part of the gain. The start noise
    is scored too and may be an elite. The draws are seeded. Needs no gradient.

    A candidate whose reward is not finite is noted and passed over.

    Args:
        noise, generate, reward, stopping, callback, graph_context, retry, movable: as for `ascend`.
        band: takes a noise's coefficients and replaces them; the rest of each sample stays its start noise's.
        population: candidates between two looks at the elites, at least 1.
        elites: at least 2.
        seed: of the candidates; drawn on the CPU, so that every device tries the same ones.

    Returns:
        the record, as of `ascend`.

    Raises:
        ValueError: the population or the number of elites is too small; else as `ascend`.
    """
    if population < 1:
        raise ValueError(f"The population is {population}: set it to 1 or more (10 is usual).")
    if elites < 2:
        raise ValueError(f"The number of elites is {elites}: set it to 2 or more (5 is usual).")
    # Shifted, because the start noise may have been drawn from the same seed.
    generator = torch.Generator().manual_seed((seed + SEED_SHIFT) % 2**64)
    start = noise.detach().to(torch.float32)
    tried = band.coefficients(start).cpu()
    archive = tried.new_zeros(len(tried), 0, tried.shape[1])
    scores = tried.new_zeros(len(tried), 0)
    mean, deviation = torch.zeros_like(tried), torch.ones_like(tried)

    def propose(record: RunRecord) -> Tensor:
        nonlocal tried, archive, scores, mean, deviation
        archive, scores = _best(
            torch.cat([archive, tried[:, None]], 1), torch.cat([scores, record.rewards[-1][:, None]], 1), elites
        )
        candidates = len(record.rewards) - 1
        if candidates and candidates % population == 0:
            mean, deviation = _spread(archive, scores, mean, deviation)
        drawn = mean + deviation * torch.randn(tried.shape, generator=generator)
        norm = torch.linalg.vector_norm(drawn, dim=1, keepdim=True).clamp_min(torch.finfo(drawn.dtype).tiny)
        tried = drawn / norm * tried.shape[1] ** 0.5
        return band.replaced(start, tried.to(start.device))

    return search(noise, generate, reward, propose, stopping, callback, graph_context, retry, movable)


def _best(archive: Tensor, scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` best of an archive (B, n, d) with scores (B, n), sample by sample; -inf for what is not finite."""
    scores = scores.where(scores.isfinite(), -torch.inf)
    scores, chosen = scores.sort(dim=1, descending=True, stable=True)
    chosen = chosen[:, :count, None].expand(-1, -1, archive.shape[2])
    return archive.gather(1, chosen), scores[:, :count]


def _spread(archive: Tensor, scores: Tensor, mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (B, d) of the elites that have a score; the old ones for a sample with only one."""
    finite = scores.isfinite()[..., None].to(archive)
    count = finite.sum(1)
    of_elites = (archive * finite).sum(1) / count.clamp_min(1)
    variance = ((archive - of_elites[:, None]).square() * finite).sum(1) / (count - 1).clamp_min(1) + LEAST_VARIANCE
    return torch.where(count > 1, of_elites, mean), torch.where(count > 1, variance.sqrt(), deviation)
