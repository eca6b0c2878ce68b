"""A picture as a taste sees it: whole, mirrored, and through two crops.

A score that hangs on one exact placement of pixels is easily fooled; the mean over views follows what all of them show,
and so does its gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ..clip_backbone import ClipBackbone
from ..siglip_backbone import SiglipBackbone

Encoder = ClipBackbone | SiglipBackbone
KEPT = 7 / 8  # of each side, in a crop


def views(images: Tensor) -> list[Tensor]:
    """Four views of images (B, 3, H, W). Fixed ones: the same picture has the same score at every step."""
    height, width = (max(1, round(KEPT * side)) for side in images.shape[-2:])
    upper_left, lower_right = images[..., :height, :width], images[..., -height:, -width:]
    return [images, images.flip(-1), upper_left, lower_right.flip(-1)]


def embed_views(encoder: Encoder, images: Tensor) -> Tensor:
    """(B, 3, H, W) in [0, 1] -> (B, D): the mean of the unit-length embeddings of the views."""

    def embedded(view: Tensor) -> Tensor:
        # Four graphs of a large encoder at once would be as large as the model that paints.
        return checkpoint(encoder.embed_images, view, use_reentrant=False, preserve_rng_state=False)

    return torch.stack([embedded(view) for view in views(images)]).mean(dim=0)
