"""Nodes for a test server: a reward to which something happens, and a count of the tensors that are alive."""

import gc
from dataclasses import replace

import torch
from comfy_api.latest import ComfyExtension, io
from torch import nn

RewardModel = io.Custom("REWARD_MODEL")
ACCIDENTS = ("none", "fails", "out of memory", "out of memory once")


class Accident(nn.Module):
    """Another reward, until the third picture is scored."""

    def __init__(self, reward, kind):
        super().__init__()
        self.inner = [reward]  # in a list: its weights stay where ComfyUI manages them
        self.name, self.needs_prompt, self.typical_range = reward.name, reward.needs_prompt, reward.typical_range
        self.kind = kind
        self.scored = 0

    def forward(self, images, prompts=None):
        self.scored += 1
        if self.scored == 3 or (self.scored > 3 and self.kind == "out of memory"):
            if self.kind == "fails":
                raise ZeroDivisionError("the reward is broken")
            if self.kind.startswith("out of memory"):
                images.register_hook(self._out_of_memory)
        return self.inner[0](images, prompts)

    @staticmethod
    def _out_of_memory(gradient):
        raise torch.OutOfMemoryError("no memory left")


class AccidentReward(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="Test_AccidentReward",
            inputs=[
                RewardModel.Input("reward"),
                io.Combo.Input("kind", options=list(ACCIDENTS)),
                io.Int.Input("run", tooltip="Another number, another run: nothing comes from the cache."),
            ],
            outputs=[RewardModel.Output()],
        )

    @classmethod
    def execute(cls, reward, kind, run):
        return io.NodeOutput(replace(reward, model=Accident(reward.model, kind)))


class LiveTensors(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="Test_LiveTensors",
            inputs=[io.Int.Input("run", tooltip="Another number, counted again.")],
            outputs=[io.String.Output()],
        )

    @classmethod
    def execute(cls, run):
        gc.collect()
        storages = {
            tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes()
            for tensor in gc.get_objects()
            if isinstance(tensor, torch.Tensor) and tensor.device.type != "meta"
        }
        return io.NodeOutput(str(sum(storages.values())))


class AccidentNodes(ComfyExtension):
    async def get_node_list(self):
        return [AccidentReward, LiveTensors]


async def comfy_entrypoint():
    return AccidentNodes()
