"""How similar a picture is to reference pictures, in the eyes of CLIP or SigLIP."""

from __future__ import annotations

import torch
from torch import Tensor

from .base import RewardModel, at_least_float32, check_images, check_range
from .clip_backbone import ClipBackbone
from .siglip_backbone import SiglipBackbone


class ImageSimilarity(RewardModel):
    """Cosine of the image embeddings of picture and reference, averaged over the references.

    Args:
        encoder: from `load_image_encoder`.
        references: (R, 3, H, W) in [0, 1].

    Raises:
        ValueError: the references are no RGB pictures in [0, 1].
    """

    name = "image similarity"
    typical_range = (0.3, 1.0)

    def __init__(self, encoder: ClipBackbone | SiglipBackbone, references: Tensor):
        super().__init__()
        check_images(references, self.min_side)
        check_range(references)
        self.encoder = encoder
        # Ordinary tensors even under inference mode, because a later backward saves them.
        with torch.inference_mode(False), torch.no_grad():
            pixels = at_least_float32(references.clone()).to(next(encoder.parameters()).device)
            self.register_buffer("mean_reference", encoder.embed_images(pixels).mean(dim=0))

    def score(self, images: Tensor, prompts: list[str] | None) -> Tensor:
        embeddings = self.encoder.embed_images(images)
        # The mean of cosines is the product with the mean of the unit-length references.
        return embeddings @ self.mean_reference.to(embeddings)
