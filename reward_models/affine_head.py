"""The heads of LAION Aesthetic V2, Aesthetic V2.5, HP and ImageReward: five linear layers without activations.

In eval mode their dropouts do nothing, so the five layers are one affine map w.x + b; it is folded in float64
when loaded.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .checkpoint import Checkpoint
from .linear_layers import read_linear_layers


class AffineHead(nn.Module):
    """score = weight . x + bias, with weight (1, D) and bias (1,)."""

    def __init__(self, weight: Tensor, bias: Tensor):
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)

    @property
    def width(self) -> int:
        """The embedding size D the head reads."""
        return self.weight.shape[1]

    def forward(self, x: Tensor) -> Tensor:
        """(B, D) to (B,)."""
        return F.linear(x, self.weight.to(x.dtype), self.bias.to(x.dtype))[:, 0]


def fold_affine_layers(layers: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Compose affine maps, first applied first: weight (out, in) and bias (out,) in float64."""
    weight, bias = (part.double() for part in layers[0])
    for next_weight, next_bias in layers[1:]:
        weight, bias = next_weight.double() @ weight, next_weight.double() @ bias + next_bias.double()
    return weight, bias


def load_affine_head(checkpoint: Checkpoint, prefix: str, indices: Sequence[int]) -> AffineHead:
    """Read the layers `{prefix}{index}`, with nothing but dropout between them, and fold them into float32.

    Raises:
        ValueError: as `read_linear_layers`.
    """
    weight, bias = fold_affine_layers(read_linear_layers(checkpoint, prefix, indices))
    return AffineHead(weight.to(torch.float32), bias.to(torch.float32))
