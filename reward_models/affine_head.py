"""The heads of LAION Aesthetic V2, Aesthetic V2.5 and ImageReward: five linear layers without activations.

In eval mode their dropouts do nothing, so the five layers are one affine map w.x + b; it is folded in float64
when loaded.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .checkpoint import Checkpoint


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
    """Read `{prefix}{index}.weight` / `.bias` and fold them into float32.

    Args:
        checkpoint: of the head.
        prefix: of the layers' names.
        indices: of the layers, first applied first; there is nothing but dropout between them.

    Raises:
        ValueError: a layer is missing, or the layers do not fit together down to one output.
    """
    names = [f"{prefix}{index}.{part}" for index in indices for part in ("weight", "bias")]
    missing = [name for name in names if name not in checkpoint.shapes]
    if missing:
        raise ValueError(f"{checkpoint.path.name} lacks {len(missing)} of the head's tensors, e.g. {missing[0]}.")
    layers = [
        (checkpoint.tensor(f"{prefix}{index}.weight"), checkpoint.tensor(f"{prefix}{index}.bias")) for index in indices
    ]
    width = layers[0][0].shape[1] if layers[0][0].ndim == 2 else None
    for index, (weight, bias) in zip(indices, layers, strict=True):
        if weight.ndim != 2 or weight.shape[1] != width or bias.shape != weight.shape[:1]:
            raise ValueError(
                f"{checkpoint.path.name}: layer {prefix}{index} of the head has shape {tuple(weight.shape)} "
                f"with bias {tuple(bias.shape)}, which does not fit the layer before it ({width} values)."
            )
        width = weight.shape[0]
    if width != 1:
        raise ValueError(f"{checkpoint.path.name}: the head ends in {width} values; a score is one value.")
    weight, bias = fold_affine_layers(layers)
    return AffineHead(weight.to(torch.float32), bias.to(torch.float32))
