"""The image encoder of a CLIP or SigLIP, from its checkpoint."""

from __future__ import annotations

import torch

from .checkpoint import Checkpoint
from .clip_backbone import ClipBackbone
from .clip_loading import load_clip
from .siglip_backbone import SiglipBackbone, load_siglip


def load_encoder(checkpoint: Checkpoint, dtype: torch.dtype) -> ClipBackbone | SiglipBackbone:
    """Load it without a text tower.

    Raises:
        ValueError: the checkpoint is neither, or its tensors do not fit.
    """
    if "vision_model.head.probe" in checkpoint.shapes:
        return load_siglip(checkpoint, dtype)
    return load_clip(checkpoint, dtype, with_text=False)
