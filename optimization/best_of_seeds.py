"""Best of n seeds: draw fresh noise again and again and keep the best. The yardstick of every other search."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from torch import Tensor

from .evaluations import Step, never
from .record import RunRecord
from .search import search
from .stopping import Stopping


def best_of_seeds(
    noise: Tensor,
    generate: Callable[[Tensor], Tensor],
    reward: Callable[[Tensor], Tensor],
    *,
    draw: Callable[[int], Tensor],
    stopping: Stopping | None = None,
    callback: Callable[[Step], str | None] | None = None,
    graph_context: Callable[[], AbstractContextManager] = nullcontext,
    retry: Callable[[Exception], bool] = never,
    movable: Tensor | None = None,
) -> RunRecord:
    """Keep the noise of the highest `reward(generate(noise))` among the start noise and fresh draws.

    Random search of Ma et al., "Inference-Time Scaling for Diffusion Models beyond Scaling Denoising Steps"
    (arXiv 2501.09732). Needs no gradient: it works for generators and rewards without a backward.

    Each sample of the batch keeps its own best, so `steps` draws make `steps + 1` seeds for every sample. A draw whose
    reward is not finite is noted and passed over.

    Args:
        noise, generate, reward, stopping, callback, graph_context, retry, movable: as for `ascend`.
        draw: step k, from 1 on -> noise of the shape of `noise`.

    Returns:
        the record, as of `ascend`.

    Raises:
        ValueError: a draw has another shape; else as `ascend`.
    """

    def propose(record: RunRecord) -> Tensor:
        return draw(len(record.rewards))

    return search(noise, generate, reward, propose, stopping, callback, graph_context, retry, movable)
