"""Telling image encoders apart without loading them: a few of their weights."""

from __future__ import annotations

import torch
from torch import Tensor

from .architecture import count_layers
from .checkpoint import Checkpoint

SAMPLES = 64  # values of each tensor
SIGNATURE_SIZE = 4 * SAMPLES
_TOLERANCE = 0.01  # of the largest value: a file in 16 bit is the same encoder, a fine-tuned one is not

# First, middle and last of what every encoder of a layout has. A projection is turned in open_clip's layout.
_OPEN_CLIP_BLOCK = "visual.transformer.resblocks.{}.mlp.c_fc.weight"
_BLOCK = "vision_model.encoder.layers.{}.mlp.fc1.weight"
_FIRST, _LAST = "vision_model.embeddings.patch_embedding.weight", "vision_model.post_layernorm.weight"
_TENSORS = (
    ("visual.conv1.weight", _OPEN_CLIP_BLOCK, "visual.ln_post.weight", "visual.proj"),
    (_FIRST, _BLOCK, _LAST, "visual_projection.weight"),
    (_FIRST, _BLOCK, _LAST, "vision_model.head.probe"),
)
_TURNED = "visual.proj"


def encoder_signature(checkpoint: Checkpoint) -> Tensor:
    """(256,) float32: values spread over four tensors of an image encoder, read without loading the others.

    The same for the same CLIP in open_clip's and in Hugging Face's layout.

    Raises:
        ValueError: the checkpoint holds no CLIP or SigLIP image encoder.
    """
    for forms in _TENSORS:
        names = [form.format(_blocks(checkpoint, form) // 2) for form in forms]
        if all(name in checkpoint.shapes for name in names):
            with torch.inference_mode(False), torch.no_grad():
                return torch.cat([_sample(checkpoint, name) for name in names])
    raise ValueError(f"{checkpoint.path.name} holds no CLIP or SigLIP image encoder.")


def same_encoder(first: Tensor, second: Tensor) -> bool:
    """Whether two signatures are those of one encoder, up to rounding."""
    if first.shape != second.shape:
        return False
    pairs = zip(first.float().split(SAMPLES), second.float().split(SAMPLES), strict=True)
    return all(float((a - b).abs().max()) <= _TOLERANCE * float(a.abs().max()) for a, b in pairs)


def _blocks(checkpoint: Checkpoint, form: str) -> int:
    """How many blocks have such a tensor."""
    return count_layers(checkpoint.shapes, form.replace("{}", r"(\d+)")) if "{}" in form else 0


def _sample(checkpoint: Checkpoint, name: str) -> Tensor:
    values = checkpoint.tensor(name)
    values = (values.T if name == _TURNED else values).flatten()
    places = torch.linspace(0, len(values) - 1, SAMPLES, dtype=torch.float64).round().long()
    return values[places].float().clone()
