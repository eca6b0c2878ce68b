"""CLIPScore: the cosine of the CLIP embeddings of image and prompt.

Hessel et al., "CLIPScore: A Reference-free Evaluation Metric for Image Captioning", arXiv 2104.08718. The
published metric is 2.5 * max(cosine, 0) of ViT-B/32 with the prefix "A photo depicts"; here it is the bare
cosine, without prefix, which keeps a gradient below zero.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .base import RewardModel
from .checkpoint import Checkpoint
from .clip_backbone import ClipBackbone
from .clip_loading import load_clip


class ClipScore(RewardModel):
    """cos(image, prompt) with CLIP's own preprocessing."""

    name = "CLIPScore"
    needs_prompt = True
    typical_range = (0.1, 0.4)

    def __init__(self, backbone: ClipBackbone):
        super().__init__()
        self.backbone = backbone

    @classmethod
    def load(cls, checkpoint: Checkpoint, dtype: torch.dtype) -> ClipScore:
        """Assemble from a CLIP with both encoders.

        Raises:
            ValueError: the file does not fit.
        """
        return cls(load_clip(checkpoint, dtype))

    def prepare(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] to the pixels the vision tower reads."""
        return self.backbone.prepare(images)

    def score(self, images: Tensor, prompts: list[str] | None) -> Tensor:
        image = self.backbone.embed_pixels(self.prepare(images))
        return (image * self.backbone.embed_prompts(prompts).to(image)).sum(dim=-1)

    def recomputable_layers(self) -> list[nn.Module]:
        return self.backbone.layers()
