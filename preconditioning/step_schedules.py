"""How the length of a step changes in the course of an ascent."""

import math
from collections.abc import Callable

LAST_SHARE = 0.05  # of the first step's length


def falling(share: float) -> float:
    """Half a cosine from 1 down to 0.05; `share`: in [0, 1], of the planned steps but the last that are made.

    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (arXiv 1608.03983), without restarts:
    long steps at first, to get somewhere, and ever shorter ones, to settle there.
    """
    return LAST_SHARE + (1 - LAST_SHARE) * (1 + math.cos(math.pi * share)) / 2


# None: always the same length.
SCHEDULES: dict[str, Callable[[float], float] | None] = {"constant": None, "falling": falling}
