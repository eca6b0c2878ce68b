"""LAION Aesthetic Predictor V2: how much people like a picture, 1 to 10, from its CLIP embedding alone.

Schuhmann, github.com/christophschuhmann/improved-aesthetic-predictor: a linear regression on the unit-length
embedding of OpenAI's CLIP ViT-L/14. The score is affine in the embedding: optimization can leave the 1..10
scale.
"""

from __future__ import annotations

from .head_on_embedding import HeadOnEmbedding


class LaionAesthetic(HeadOnEmbedding):
    """head(e / |e|), with e the projected CLIP image embedding."""

    name = "LAION Aesthetic V2"
    typical_range = (1.0, 10.0)
    encoder = "OpenAI's CLIP ViT-L/14 (768 values)"
