"""Muon for the weight matrices and convolution kernels (as matrices), AdamW for everything else."""

import math

import torch
from torch import nn


class Optimizer:
    """Muon and AdamW under one schedule: linear warm-up, then a cosine down to `floor` times the rate."""

    def __init__(self, modules: list[nn.Module], steps: int, rate: float, warmup: int = 50, floor: float = 0.01):
        parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
        self.parameters = parameters
        # Embedding tables are rows for single prompts, not maps between spaces: they stay with AdamW.
        matrices = [p for p in parameters if p.ndim in (2, 4) and min(len(p), p[0].numel()) >= 16]
        chosen = {id(p) for p in matrices}
        self.views = [(p, nn.Parameter(p.data.view(len(p), -1))) for p in matrices]
        rest = [p for p in parameters if id(p) not in chosen]
        # "match_rms_adamw" scales Muon's orthogonal update to the size of Adam's: one rate suits both.
        self.optimizers = [
            torch.optim.Muon([v for _, v in self.views], lr=rate, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), weight_decay=0.0),
        ]
        self.steps, self.rate, self.warmup, self.floor = steps, rate, warmup, floor

    def step(self, index: int, loss: torch.Tensor) -> None:
        for parameter in self.parameters:
            parameter.grad = None
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for parameter, view in self.views:
            view.grad = parameter.grad.reshape(view.shape)
        cosine = 0.5 + 0.5 * math.cos(math.pi * index / self.steps)
        rate = self.rate * min(1.0, (index + 1) / self.warmup) * (self.floor + (1 - self.floor) * cosine)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()

    def state_dict(self) -> dict:
        return {str(i): optimizer.state_dict() for i, optimizer in enumerate(self.optimizers)}

    def load_state_dict(self, state: dict) -> None:
        for i, optimizer in enumerate(self.optimizers):
            optimizer.load_state_dict(state[str(i)])
