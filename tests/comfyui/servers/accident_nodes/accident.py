"""What goes wrong in a run of the Noise Optimizer, from its third evaluation on, in a chosen stage."""

from contextlib import ExitStack
from dataclasses import replace

import torch
from comfy_api.latest import io
from torch import nn

RewardModel = io.Custom("REWARD_MODEL")
KINDS = ("none", "fails", "out of memory", "out of memory once")
STAGES = ("generator", "decoder", "reward", "backward")
FIRST_EVALUATION = 3


class Accident:
    """Raises what `kind` says in `stage`; only in a run that computes gradients, never in plain sampling."""

    def __init__(self, kind, stage):
        self.kind, self.stage = kind, stage
        self.evaluations = self.happened = 0

    def evaluate(self, *_):
        self.evaluations += not torch.is_inference_mode_enabled()

    def happen(self, *_):
        if torch.is_inference_mode_enabled() or self.evaluations < FIRST_EVALUATION:
            return
        self.happened += 1
        if self.kind == "fails":
            raise ZeroDivisionError(f"the {self.stage} is broken")
        if self.kind == "out of memory" or (self.kind == "out of memory once" and self.happened == 1):
            raise torch.OutOfMemoryError(f"no memory left in the {self.stage}")

    def hook(self, generator, decoder):
        """Watch a FLUX and the decoder of a TAESD; the hooks, to be closed."""
        inside = {"generator": generator.single_blocks[1].linear1, "decoder": decoder[10]}
        with ExitStack() as stack:
            stack.callback(generator.img_in.register_forward_pre_hook(self.evaluate).remove)
            if self.stage in inside:
                stack.callback(inside[self.stage].register_forward_pre_hook(self.happen).remove)
            return stack.pop_all()


class RewardWithAccident(nn.Module):
    """Another reward, which an accident may hit while it scores or on the way back."""

    def __init__(self, reward, accident):
        super().__init__()
        self.inner = [reward]  # in a list: its weights stay where ComfyUI manages them
        self.name, self.needs_prompt, self.typical_range = reward.name, reward.needs_prompt, reward.typical_range
        self.accident = accident

    def forward(self, images, prompts=None):
        if self.accident.stage == "reward":
            self.accident.happen()
        if self.accident.stage == "backward" and images.requires_grad:
            images.register_hook(self.accident.happen)
        return self.inner[0](images, prompts)


class AccidentNode(io.ComfyNode):
    hooks = ExitStack()  # of the latest accident; the models outlive it

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="Test_Accident",
            inputs=[
                io.Model.Input("model"),
                io.Vae.Input("vae"),
                RewardModel.Input("reward"),
                io.Combo.Input("kind", options=list(KINDS)),
                io.Combo.Input("stage", options=list(STAGES)),
                io.Int.Input("run", tooltip="Another number, another run: nothing comes from the cache."),
            ],
            outputs=[RewardModel.Output()],
        )

    @classmethod
    def execute(cls, model, vae, reward, kind, stage, run):
        AccidentNode.hooks.close()
        accident = Accident(kind, stage)
        AccidentNode.hooks = accident.hook(model.model.diffusion_model, vae.first_stage_model.taesd_decoder)
        return io.NodeOutput(replace(reward, model=RewardWithAccident(reward.model, accident)))
