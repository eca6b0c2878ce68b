"""HP, the High-Preference score: how finished and how liked a picture looks, whatever it shows.

Ba et al., "Enhancing Reward Models for High-quality Image Generation: Beyond Text-Image Alignment", arXiv
2507.19002, github.com/BarretBa/ICTHP: a CLIP ViT-H/14 fine-tuned on triplets of pictures, the best of which is
always by SD3.5-Large, and a linear regression on its embedding. As in the authors' evaluation the embedding is
not brought to unit length, and a sigmoid puts the score between 0 and 1.
"""

from __future__ import annotations

from torch import Tensor

from .head_on_embedding import HeadOnEmbedding


class HighPreference(HeadOnEmbedding):
    """sigmoid(head(e)), with e the projected CLIP image embedding of any length."""

    name = "HP"
    typical_range = (0.0, 1.0)
    encoder = "the image encoder published with it (1024 values)"

    def score(self, images: Tensor, prompts: list[str] | None) -> Tensor:
        # Made with the transformers image processor, which rounds the crop's offset down.
        return self.head(self.backbone.features(self.backbone.prepare(images, round_offset=False))).sigmoid()
