"""PickScore v1: which of several images people pick for a prompt.

Kirstain et al., "Pick-a-Pic: An Open Dataset of User Preferences for Text-to-Image Generation", arXiv
2305.01569, eq. 1: s(x, y) = T * E_txt(x) . E_img(y), with unit-length embeddings of a fine-tuned CLIP
ViT-H/14 and its learned temperature T (about 100).
"""

from __future__ import annotations

from torch import Tensor

from .base import at_least_float32
from .clip_score import ClipScore


class PickScore(ClipScore):
    """exp(logit_scale) * cos(image, prompt)."""

    name = "PickScore"
    typical_range = (16.0, 26.0)

    def prepare(self, images: Tensor) -> Tensor:
        # Trained with the transformers image processor, which rounds the crop's offset down.
        return self.backbone.prepare(images, round_offset=False)

    def score(self, images: Tensor, prompts: list[str] | None) -> Tensor:
        return at_least_float32(self.backbone.logit_scale).exp() * super().score(images, prompts)
