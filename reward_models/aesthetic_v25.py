"""Aesthetic Predictor V2.5: how much people like a picture, 1 to 10, from its SigLIP embedding alone.

discus0434, github.com/discus0434/aesthetic-predictor-v2-5: a head on google/siglip-so400m-patch14-384 that
also judges drawings. Its head has no activations, so the score is affine in the embedding. The weights are
AGPL-3.0.
"""

from __future__ import annotations

import torch

from .checkpoint import Checkpoint
from .head_on_embedding import HeadOnEmbedding
from .siglip_backbone import SiglipBackbone, load_siglip


class AestheticV25(HeadOnEmbedding):
    """head(p / |p|), with p the pooled SigLIP image embedding."""

    name = "Aesthetic V2.5"
    typical_range = (1.0, 10.0)
    encoder = "google/siglip-so400m-patch14-384 (1152 values)"
    head_prefix = "scoring_head."
    head_indices = (0, 2, 4, 6, 8)

    @staticmethod
    def load_encoder(checkpoint: Checkpoint, dtype: torch.dtype) -> SiglipBackbone:
        return load_siglip(checkpoint, dtype)
