"""LAION Aesthetic Predictor V2: how much people like a picture, 1 to 10, from its CLIP embedding alone.

Schuhmann, github.com/christophschuhmann/improved-aesthetic-predictor: a linear regression on the unit-length
embedding of OpenAI's CLIP ViT-L/14. The score is affine in the embedding: optimization can leave the 1..10
scale.
"""

from __future__ import annotations

import torch

from .affine_head import load_affine_head
from .checkpoint import Checkpoint
from .clip_loading import load_clip
from .head_on_embedding import HeadOnEmbedding


class LaionAesthetic(HeadOnEmbedding):
    """head(e / |e|), with e the projected CLIP image embedding."""

    name = "LAION Aesthetic V2"
    typical_range = (1.0, 10.0)
    encoder = "OpenAI's CLIP ViT-L/14 (768 values)"

    @classmethod
    def load(cls, head: Checkpoint, backbone: Checkpoint, dtype: torch.dtype) -> LaionAesthetic:
        """Assemble from the head's file and a CLIP ViT-L/14.

        Raises:
            ValueError: they do not belong together.
        """
        affine = load_affine_head(head, "layers.", (0, 2, 4, 6, 7))
        return cls.joined(affine, load_clip(backbone, dtype, with_text=False), head.path, backbone.path)
