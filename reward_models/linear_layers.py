"""The linear layers that the heads of rewards consist of, read from a checkpoint one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from .checkpoint import Checkpoint


def read_linear_layers(checkpoint: Checkpoint, prefix: str, indices: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
    """Read `{prefix}{index}.weight` (out, in) and `.bias` (out,), in the dtype of the file.

    Args:
        checkpoint: of the head.
        prefix: of the layers' names.
        indices: of the layers, first applied first.

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
    return layers
