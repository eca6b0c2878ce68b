"""Nodes for a test server: something that goes wrong in a run, and what is left after it."""

from comfy_api.latest import ComfyExtension

from .accident import AccidentNode
from .host_state import HostState, LiveTensors


class AccidentNodes(ComfyExtension):
    async def get_node_list(self):
        return [AccidentNode, HostState, LiveTensors]


async def comfy_entrypoint():
    return AccidentNodes()
