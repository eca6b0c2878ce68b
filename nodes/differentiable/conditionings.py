"""The prompts that a guider evaluates the model with: which ones, and as autograd can use them."""

import copy
import math

import comfy.samplers

from .ordinary_tensors import clone_inference_tensors


def evaluated_conditionings(guider: comfy.samplers.CFGGuider, model_options: dict) -> dict[str, list[dict]]:
    """Of the prompts of a guider that samples, by name, those that the model is evaluated with."""
    return evaluated(guider, guider.conds, model_options)


def evaluated(
    guider: comfy.samplers.CFGGuider, conditionings: dict[str, list[dict]], model_options: dict
) -> dict[str, list[dict]]:
    """Of a guider's `conditionings`, by name: without the negative prompt where ComfyUI leaves it out, at CFG 1."""
    plain_guidance = type(guider).predict_noise is comfy.samplers.CFGGuider.predict_noise
    optional = not model_options.get("disable_cfg1_optimization", False)
    if plain_guidance and optional and math.isclose(guider.cfg, 1.0):
        return {name: conditioning for name, conditioning in conditionings.items() if name != "negative"}
    return conditionings


def ordinary_conditionings(conditionings: dict[str, list[dict]]) -> dict[str, list[dict]]:
    """A copy of a guider's `conds` in which inference tensors are cloned, also those prepared for the model."""
    return {name: [_ordinary(entry) for entry in entries] for name, entries in conditionings.items()}


def _ordinary(entry: dict) -> dict:
    prepared = {}
    for name, condition in entry.get("model_conds", {}).items():
        if hasattr(condition, "cond"):
            condition = copy.copy(condition)
            condition.cond = clone_inference_tensors(condition.cond)
        prepared[name] = condition
    ordinary = clone_inference_tensors({key: value for key, value in entry.items() if key != "model_conds"})
    return {**ordinary, "model_conds": prepared} if "model_conds" in entry else ordinary
