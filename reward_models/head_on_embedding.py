"""The shape that aesthetic predictors share: an affine head on the unit-length embedding of an image encoder."""

from __future__ import annotations

from torch import Tensor, nn

from .affine_head import AffineHead
from .base import RewardModel
from .clip_backbone import ClipBackbone
from .siglip_backbone import SiglipBackbone


class HeadOnEmbedding(RewardModel):
    """head(e / |e|), with e the image embedding of `backbone`."""

    def __init__(self, backbone: ClipBackbone | SiglipBackbone, head: AffineHead):
        super().__init__()
        self.backbone = backbone
        self.head = head

    def score(self, images: Tensor, prompts: list[str] | None) -> Tensor:
        return self.head(self.backbone.embed_images(images))

    def recomputable_layers(self) -> list[nn.Module]:
        return self.backbone.layers()
