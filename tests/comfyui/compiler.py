"""ComfyUI's compiler, from 0.34 on: what it does with the memory of allocations that it has recorded, on the CPU.

There, the first run of a model is recorded: each block's allocations, one after another. Later runs are given the same
memory again, whoever still holds it; a block that fits is replayed as a CUDA graph, which autograd does not see. Here a
block's result lands in memory that is used again from the second run on. As there, the recorder is asked when a queue
is popped, also when there is no queue, and looks at nothing but the switch, which is read when a model begins.

Import this module inside tests only: it needs `host`.
"""

import threading

import comfy.cli_args
import torch


class Compiler:
    """replayed: how many blocks got recorded memory while gradients were on. began: the switch at each beginning."""

    def __init__(self, monkeypatch, diffusion_model, blocks):
        self.began, self.replayed = [], 0
        self._memory, self._active = {}, {}
        monkeypatch.setattr(comfy.cli_args.args, "disable_comfy_compiler", False, raising=False)
        monkeypatch.setattr(diffusion_model, "forward", self._scope(diffusion_model.forward))
        for index, block in enumerate(blocks):
            monkeypatch.setattr(block, "forward", self._iterate(index, block.forward))

    def _scope(self, forward):
        def compiled(*args, **kwargs):
            thread = threading.get_ident()
            self.began.append(not comfy.cli_args.args.disable_comfy_compiler)
            self._active[thread] = self.began[-1]
            try:
                return forward(*args, **kwargs)
            finally:
                self._active[thread] = False

        return compiled

    def _iterate(self, index, forward):
        def block(*args, **kwargs):
            result = forward(*args, **kwargs)
            if not self._active.get(threading.get_ident()):
                return result
            self.replayed += torch.is_grad_enabled()
            return torch.utils._pytree.tree_map(lambda x: self._recorded(index, x), result)

        return block

    def _recorded(self, index, tensor):
        memory = self._memory.setdefault((index, tensor.shape), torch.empty_like(tensor, requires_grad=False))
        with torch.no_grad():
            memory.copy_(tensor)
        return memory  # of which autograd knows nothing
