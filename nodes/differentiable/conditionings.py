"""Which prompts a guider evaluates the model with."""

import math

import comfy.samplers


def evaluated_conditionings(guider: comfy.samplers.CFGGuider, model_options: dict) -> dict[str, list[dict]]:
    """Of `guider.conds`, by name: without the negative prompt where ComfyUI leaves it out, at CFG 1."""
    plain_guidance = type(guider).predict_noise is comfy.samplers.CFGGuider.predict_noise
    optional = not model_options.get("disable_cfg1_optimization", False)
    if plain_guidance and optional and math.isclose(guider.cfg, 1.0):
        return {name: conditioning for name, conditioning in guider.conds.items() if name != "negative"}
    return guider.conds
