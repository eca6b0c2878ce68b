"""What each published method is: its preconditioner, optimizer, gradient clip and learning rate.

The only place that tells it. Nodes, demo and benchmarks choose from RECIPES, so that what is measured is what ships.
Ours are the optimizer "Momentum", the step rules and the strength; no published method has one by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from .norm_penalty import NormPenalty
from .preconditioner import Unconstrained, WhiteGaussianProjector
from .spectrum_penalty import SpectrumPenalty
from .step_schedules import SCHEDULES
from .strength import NO_LIMIT, retraction_within
from .subset_penalty import SubsetPenalty
from .unit_momentum import UnitMomentum

# Adam's step size on unit-variance noise, by the kind of model: arXiv 2602.08646, for FLUX-schnell and SDXL-Turbo.
FLUX_LEARNING_RATE = 0.02  # also of the other transformers, and of models that nobody has tried
SDXL_LEARNING_RATE = 0.1  # also of the other U-Nets

# Where a step follows the gradient's length, a gradient at the clip moves the noise by this: ReNO's 5 times 0.1.
MAX_STEP = 0.5


@dataclass(frozen=True)
class StepRule:
    """An optimizer.

    Attributes:
        make: of parameters and `lr`, as in `torch.optim`.
        adaptive: whether its steps do not depend on the length of the gradient.
    """

    make: Callable[..., torch.optim.Optimizer]
    adaptive: bool


OPTIMIZERS = {
    "Adam": StepRule(torch.optim.Adam, adaptive=True),
    "AdamW": StepRule(torch.optim.AdamW, adaptive=True),
    "Momentum": StepRule(UnitMomentum, adaptive=True),
    "Nesterov": StepRule(partial(torch.optim.SGD, momentum=0.9, nesterov=True), adaptive=False),
    "SGD": StepRule(torch.optim.SGD, adaptive=False),
}


@dataclass(frozen=True)
class Recipe:
    """Gradient ascent as one paper does it.

    Attributes:
        name: what the nodes call it.
        preconditioner: an `optimization.Preconditioner`.
        optimizer: one of `OPTIMIZERS`.
        clip: largest 2-norm of a sample's preconditioned gradient, None for no clip.
        plain_learning_rate: of the optimizers that are not adaptive.
        schedule: one of `SCHEDULES`, how the learning rate changes over the planned steps.
        strength: how far the noise may leave its start, see `strength`; 1 for no limit.
        rate_factor: the default learning rate, in that of the model.
    """

    name: str
    preconditioner: Any
    optimizer: str
    clip: float | None
    plain_learning_rate: float
    schedule: str = "constant"
    strength: float = NO_LIMIT
    rate_factor: float = 1.0

    @property
    def adaptive(self) -> bool:
        """Whether steps do not depend on the length of the gradient; see `StepRule`."""
        return OPTIMIZERS[self.optimizer].adaptive

    def learning_rate(self, of_model: float) -> float:
        """The default learning rate, for a model where Adam's is `of_model`."""
        return self.rate_factor * of_model if self.adaptive else self.plain_learning_rate

    def stepping(self, rule: str) -> "Recipe":
        """The same method by one of `STEP_RULES`."""
        return replace(self, **STEP_RULES[rule])

    def arguments(self, learning_rate: float) -> dict[str, Any]:
        """What makes `optimization.ascend` this method, by the names of its arguments."""
        return {
            "preconditioner": self.preconditioner,
            "optimizer": partial(OPTIMIZERS[self.optimizer].make, lr=learning_rate),
            "max_gradient_norm": self.clip,
            "schedule": SCHEDULES[self.schedule],
            "retraction": None
            if self.strength == NO_LIMIT
            else partial(retraction_within, self.preconditioner, self.strength),
        }


# What each changes in a recipe. Momentum needs no clip, since the length of a gradient does not count; five times the
# learning rate, as steps that shrink may begin long: in the demo world, ten steps from 0.1 climb higher than from 0.02.
STEP_RULES: dict[str, dict[str, Any]] = {
    "as the method": {},
    "falling": {"schedule": "falling"},
    "falling momentum": {"optimizer": "Momentum", "schedule": "falling", "clip": None, "rate_factor": 5.0},
}


def _recipe(name: str, preconditioner: Any, optimizer: str, clip: float) -> Recipe:
    return Recipe(name, preconditioner, optimizer, clip, MAX_STEP / clip)


# GPER arXiv 2602.08646; MPGR arXiv 2509.07027; PRNO arXiv 2405.18881 and its authors' code; ReNO arXiv 2406.04312.
RECIPES = {
    recipe.name: recipe
    for recipe in (
        _recipe("GPER", WhiteGaussianProjector(), "Adam", 0.03),
        _recipe("MPGR", SpectrumPenalty(), "Nesterov", 0.01),
        _recipe("PRNO", SubsetPenalty(), "AdamW", 1.0),
        _recipe("ReNO", NormPenalty(), "Nesterov", 0.1),
        _recipe("none", Unconstrained(), "Adam", 0.03),
    )
}

# Local search needs no gradient; its candidates are brought back by GPER's projection.
SEARCH_RETRACTION = WhiteGaussianProjector().retract
