"""LoRAs of single prompts (Create Hook LoRA), whose weights are not there any more when the gradient needs them.

ComfyUI writes the weights of such hooks into the model's own, in place and past autograd, before it evaluates the
prompts that have them. Blocks that are recomputed and weights that are cast again in the backward pass, after another
prompt or a later step, take what stands there then.
"""

import comfy.hooks
import comfy.samplers

from ..differentiable.conditionings import evaluated
from ..differentiable.remedies import WITHOUT_MODEL_GRADIENT


def check_weight_hooks(guider: comfy.samplers.CFGGuider, steps: int) -> None:
    """Raise ValueError where the model's weights change while a gradient is on its way through them.

    Args:
        guider: with its prompts.
        steps: of the sampling through which a gradient goes at once.
    """
    conditionings = {name: [dict(entry) for entry in entries] for name, entries in guider.original_conds.items()}
    comfy.samplers.preprocess_conds_hooks(conditionings)  # ControlNets bring hooks too
    entries = [entry for group in evaluated(guider, conditionings, guider.model_options).values() for entry in group]
    of_prompts = {_of_the_model(entry.get("hooks")) for entry in entries}
    if len(of_prompts) > 1:
        _refuse("a LoRA that only some of the prompts have", "give every prompt the same hooks")
    scheduled = any(len(hook.hook_keyframe.keyframes) > 1 for hooks in of_prompts for hook in hooks)
    if steps > 1 and scheduled:
        _refuse("a LoRA whose strength changes from step to step", "take its keyframes away, or use a single step")


def _of_the_model(hooks: comfy.hooks.HookGroup | None) -> frozenset[comfy.hooks.WeightHook]:
    every = hooks.hooks if hooks is not None else []
    return frozenset(hook for hook in every if isinstance(hook, comfy.hooks.WeightHook) and hook._strength_model)


def _refuse(found: str, remedy: str) -> None:
    raise ValueError(
        f"The conditioning has {found} (Create Hook LoRA, Create Hook Model as LoRA). For that ComfyUI changes the "
        f"model's weights on the way, so that gradients would be wrong: {remedy}, or load the LoRA for the whole model "
        f"(LoraLoader). {WITHOUT_MODEL_GRADIENT}"
    )
