"""ICT, Image-Contained-Text: how much of the prompt a picture contains, without a penalty for what is beyond it.

Ba et al., "Enhancing Reward Models for High-quality Image Generation: Beyond Text-Image Alignment", arXiv
2507.19002, github.com/BarretBa/ICTHP: the cosine of a CLIP ViT-H/14, fine-tuned towards 1 where the picture
contains the text. The threshold of the paper occurs in the training labels only.
"""

from __future__ import annotations

from torch import Tensor

from .clip_score import ClipScore


class ImageContainedText(ClipScore):
    """cos(image, prompt); no scale, no threshold."""

    name = "ICT"
    typical_range = (0.0, 1.0)

    def prepare(self, images: Tensor) -> Tensor:
        # Trained with the transformers image processor, which rounds the crop's offset down.
        return self.backbone.prepare(images, round_offset=False)
