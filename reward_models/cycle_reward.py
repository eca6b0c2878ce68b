"""CycleReward: how well a picture and a long, detailed prompt tell the same.

Bahng, Chan et al., "Cycle Consistency as Reward: Learning Image-Text Alignment without Human Preferences", arXiv
2506.02095, github.com/hjbahng/cyclereward: ImageReward's encoders, trained to prefer the picture (or the text)
that leads back to the text (or the picture) it was made from.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blip_reward import BlipReward
from .checkpoint import Checkpoint
from .linear_layers import read_linear_layers


class GeluHead(nn.Module):
    """Linear layers with the exact GELU between them, in float32: (B, D) to (B,).

    Args:
        layers: (weight (out, in), bias (out,)) each, first applied first; the last has one output.
    """

    def __init__(self, layers: Sequence[tuple[Tensor, Tensor]]):
        super().__init__()
        weights, biases = ([part.to(torch.float32, copy=True) for part in parts] for parts in zip(*layers, strict=True))
        self.weights = nn.ParameterList(nn.Parameter(weight, requires_grad=False) for weight in weights)
        self.biases = nn.ParameterList(nn.Parameter(bias, requires_grad=False) for bias in biases)

    def forward(self, x: Tensor) -> Tensor:
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = F.linear(F.gelu(x) if i else x, weight.to(x.dtype), bias.to(x.dtype))
        return x[:, 0]


class CycleReward(BlipReward):
    """head(h0), without a scale or a zero of its own: only differences between scores mean something."""

    name = "CycleReward"
    # No score of a picture is published: so wide that no picture is called unusual.
    typical_range = (-10.0, 10.0)
    max_tokens = 128

    @staticmethod
    def read_head(checkpoint: Checkpoint) -> GeluHead:
        return GeluHead(read_linear_layers(checkpoint, "mlp.layers.", (0, 2, 4, 6, 8)))
