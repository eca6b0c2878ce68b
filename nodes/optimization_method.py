"""Node: which way of searching the Noise Optimizer goes."""

from dataclasses import replace

from comfy_api.latest import io

from ..optimization.local_search import RADIUS
from .methods import METHODS, OPTIMIZERS, GradientMethod, LocalSearch
from .types import CATEGORY, NoiseMethod

AS_PUBLISHED = "as published"


class OptimizationMethod(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_OptimizationMethod",
            display_name="Optimization Method",
            category=CATEGORY,
            description="How the Noise Optimizer searches: GPER, the published methods it is compared with, or a "
            "search without gradients, which works for every model and reward.",
            search_aliases=["GPER", "ReNO", "PRNO", "MPGR", "best of n", "random search", "zero-order"],
            inputs=[
                io.Combo.Input(
                    "method",
                    options=list(METHODS),
                    default="GPER",
                    tooltip="GPER: gradient ascent that keeps the noise noise. MPGR, PRNO, ReNO: ascent with a "
                    "penalty. none: plain ascent. best of seeds and local search need no gradient and far less "
                    "memory: for models that the others refuse.",
                ),
                io.Combo.Input(
                    "optimizer",
                    options=[AS_PUBLISHED, "Adam", "Nesterov", "SGD"],
                    default=AS_PUBLISHED,
                    tooltip="How a gradient becomes a step. as published: Adam for GPER and none, AdamW for PRNO, "
                    "Nesterov for ReNO and MPGR. The searches have none.",
                    advanced=True,
                ),
                io.Float.Input(
                    "penalty_weight",
                    default=1.0,
                    min=0.0,
                    max=1000.0,
                    step=0.1,
                    round=False,
                    tooltip="Strength of the penalty of MPGR, PRNO and ReNO, times the published one. More keeps the "
                    "noise closer to noise and climbs slower. The others have no penalty.",
                    advanced=True,
                ),
                io.Float.Input(
                    "search_radius",
                    default=RADIUS,
                    min=0.01,
                    max=1.41,
                    step=0.01,
                    tooltip="How far local search looks from the best noise so far, in lengths of the noise. Smaller: "
                    "more often better, by less. Useful: 0.1 to 0.8. The others do not use it.",
                    advanced=True,
                ),
            ],
            outputs=[
                NoiseMethod.Output(
                    "method", display_name="method", tooltip="Goes into the Noise Optimizer's method input."
                )
            ],
        )

    @classmethod
    def execute(cls, method, optimizer=AS_PUBLISHED, penalty_weight=1.0, search_radius=RADIUS) -> io.NodeOutput:
        if method not in METHODS:
            raise ValueError(f"There is no method {method!r}: choose one of {', '.join(METHODS)}.")
        chosen = METHODS[method]
        if isinstance(chosen, LocalSearch):
            chosen = replace(chosen, radius=search_radius)
        if isinstance(chosen, GradientMethod):
            if optimizer != AS_PUBLISHED:
                if optimizer not in OPTIMIZERS:
                    raise ValueError(f"There is no optimizer {optimizer!r}: choose {AS_PUBLISHED!r}, or Adam.")
                chosen = replace(chosen, optimizer=optimizer)
            penalty = chosen.preconditioner
            if hasattr(penalty, "weight"):
                chosen = replace(chosen, preconditioner=replace(penalty, weight=penalty_weight * penalty.weight))
        return io.NodeOutput(chosen)
