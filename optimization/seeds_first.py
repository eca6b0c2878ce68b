"""Trying seeds before an ascent: the best one is a better start than many steps from another."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from torch import Tensor

from .evaluations import Evaluations
from .movable import MovablePart, WholeNoise
from .search import try_noises


@dataclass(frozen=True)
class SeedsFirst:
    """The random search of `best_of_seeds`, as the beginning of an `ascend`: both have one record and one time budget.

    Each sample of the batch goes on from its own best. A seed costs no backward pass.

    Attributes:
        count: seeds to try, at least 2, the start noise the first of them.
        draw: k from 1 to `count - 1` -> noise of the shape of the start noise.

    Raises:
        ValueError: on construction for a count below 2.
    """

    count: int
    draw: Callable[[int], Tensor]

    def __post_init__(self):
        if self.count < 2:
            raise ValueError(
                f"{self.count} seeds are to be tried first: set it to 2 or more, since the start noise is one of them, "
                "or leave it out."
            )

    def tried(
        self,
        run: Evaluations,
        noise: Tensor,
        generate: Callable[[Tensor], Tensor],
        reward: Callable[[Tensor], Tensor],
        graph_context: Callable[[], AbstractContextManager],
        retry: Callable[[Exception], bool],
        part: WholeNoise | MovablePart,
    ) -> bool:
        """Evaluate the start noise and the draws; a seed whose reward is not finite is passed over.

        Args:
            run, noise, generate, reward, graph_context, retry, part: as for `try_noises`.

        Returns:
            whether the run goes on.
        """

        def propose(record):
            return self.draw(len(record.rewards))

        return try_noises(run, noise, generate, reward, propose, graph_context, retry, part, self.count)
