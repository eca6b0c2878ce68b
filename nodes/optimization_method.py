"""Node: which way of searching the Noise Optimizer goes."""

import math
from dataclasses import replace

from comfy_api.latest import io

from ..optimization.local_search import RADIUS
from ..preconditioning.recipes import OPTIMIZERS
from ..preconditioning.step_schedules import SCHEDULES
from .inputs.methods import METHODS, GradientMethod
from .inputs.searches import LocalSearch
from .inputs.sockets import CATEGORY, NoiseMethod

AS_PUBLISHED = "as published"
NO_CLIP = "none"
CLIPS = ("0.01", "0.03", "0.1", "0.3", "1")


class OptimizationMethod(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_OptimizationMethod",
            display_name="Optimization Method",
            category=CATEGORY,
            description="How the Noise Optimizer searches: GPER, the published methods it is compared with, or a "
            "search without gradients, which works for every model and reward. A setting that the chosen method does "
            "not use is ignored, and the report says so.",
            search_aliases=["GPER", "ReNO", "PRNO", "MPGR", "best of n", "random search", "zero-order", "SES"],
            inputs=[
                io.Combo.Input(
                    "method",
                    options=list(METHODS),
                    default="GPER",
                    tooltip="GPER: gradient ascent that keeps the noise noise. MPGR, PRNO, ReNO: ascent with a "
                    "penalty. none: plain ascent. best of seeds, local search and spectral evolution need no gradient "
                    "and far less memory: for models that the others refuse.",
                ),
                io.Combo.Input(
                    "optimizer",
                    options=[AS_PUBLISHED, "Adam", "Momentum", "Nesterov", "SGD"],
                    default=AS_PUBLISHED,
                    tooltip="How a gradient becomes a step. as published: Adam for GPER and none, AdamW for PRNO, "
                    "Nesterov for ReNO and MPGR. Momentum: steps as long as Adam's that keep the noise's values "
                    "normal. Ignored by the searches.",
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
                    "noise closer to noise and climbs slower. Ignored by the others.",
                    advanced=True,
                ),
                io.Float.Input(
                    "search_radius",
                    default=RADIUS,
                    min=0.01,
                    max=1.41,
                    step=0.01,
                    tooltip="How far local search looks from the best noise so far, in lengths of the noise. Smaller: "
                    "more often better, by less. Useful: 0.1 to 0.8. Ignored by the others.",
                    advanced=True,
                ),
                io.Combo.Input(
                    "gradient_clip",
                    options=[AS_PUBLISHED, NO_CLIP, *CLIPS],
                    default=AS_PUBLISHED,
                    tooltip="Longest gradient a step may use; matters little with Adam. as published: GPER and none "
                    "0.03, ReNO 0.1, MPGR 0.01, PRNO 1. More lets Nesterov and SGD take longer steps. Ignored by the "
                    "searches.",
                    advanced=True,
                ),
                io.Combo.Input(
                    "step_schedule",
                    options=list(SCHEDULES),
                    default="constant",
                    tooltip="constant: all steps are equally long, as published. falling: they shrink to a twentieth "
                    "in the course of the planned steps, so a learning rate two or three times as large can be used. "
                    "Ignored by the searches.",
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
    def execute(
        cls,
        method,
        optimizer=AS_PUBLISHED,
        penalty_weight=1.0,
        search_radius=RADIUS,
        gradient_clip=AS_PUBLISHED,
        step_schedule="constant",
    ) -> io.NodeOutput:
        if method not in METHODS:
            raise ValueError(f"There is no method {method!r}: choose one of {', '.join(METHODS)}.")
        if optimizer not in (AS_PUBLISHED, *OPTIMIZERS):
            raise ValueError(f"There is no optimizer {optimizer!r}: choose {AS_PUBLISHED!r}, or Adam.")
        if gradient_clip not in (AS_PUBLISHED, NO_CLIP, *CLIPS):
            raise ValueError(f"gradient_clip is {gradient_clip!r}: choose {AS_PUBLISHED!r}, or 0.03.")
        if step_schedule not in SCHEDULES:
            raise ValueError(f"step_schedule is {step_schedule!r}: choose one of {', '.join(SCHEDULES)}.")
        if not (math.isfinite(penalty_weight) and penalty_weight >= 0):
            raise ValueError(f"penalty_weight is {penalty_weight}: set it to 0 or above; 1 is the published strength.")
        if not 0 < search_radius <= math.sqrt(2):
            raise ValueError(f"search_radius is {search_radius}: set it above 0 and at most to 1.41; 0.3 is usual.")
        chosen = METHODS[method]
        changed = {
            "optimizer": optimizer != AS_PUBLISHED,
            "penalty_weight": penalty_weight != 1,
            "search_radius": search_radius != RADIUS,
            "gradient_clip": gradient_clip != AS_PUBLISHED,
            "step_schedule": step_schedule != "constant",
        }
        used = set()
        if isinstance(chosen, LocalSearch):
            used = {"search_radius"}
            chosen = replace(chosen, radius=search_radius)
        if isinstance(chosen, GradientMethod):
            used = {"optimizer", "gradient_clip", "step_schedule"}
            recipe = replace(chosen.recipe, schedule=step_schedule)
            if changed["optimizer"]:
                recipe = replace(recipe, optimizer=optimizer)
            if changed["gradient_clip"]:
                recipe = replace(recipe, clip=None if gradient_clip == NO_CLIP else float(gradient_clip))
            if hasattr(recipe.preconditioner, "weight"):
                used.add("penalty_weight")
                penalty = replace(recipe.preconditioner, weight=penalty_weight * recipe.preconditioner.weight)
                recipe = replace(recipe, preconditioner=penalty)
            chosen = replace(chosen, recipe=recipe)
        unused = tuple(name for name, differs in changed.items() if differs and name not in used)
        return io.NodeOutput(replace(chosen, unused=unused))
