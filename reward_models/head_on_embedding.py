"""The shape that aesthetic predictors share: an affine head on the unit-length embedding of an image encoder."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from .affine_head import AffineHead
from .base import RewardModel
from .clip_backbone import ClipBackbone
from .siglip_backbone import SiglipBackbone


class HeadOnEmbedding(RewardModel):
    """head(e / |e|), with e the image embedding of `backbone`.

    Attributes:
        encoder: which image encoder the head was trained on, for messages.
    """

    encoder: str = ""

    def __init__(self, backbone: ClipBackbone | SiglipBackbone, head: AffineHead):
        super().__init__()
        self.backbone = backbone
        self.head = head

    @classmethod
    def joined(
        cls, head: AffineHead, backbone: ClipBackbone | SiglipBackbone, head_file: Path, backbone_file: Path
    ) -> HeadOnEmbedding:
        """The reward of a head and a backbone from two files.

        Raises:
            ValueError: they do not belong together.
        """
        if backbone.embedding_size != head.width:
            raise ValueError(
                f"{head_file.name} reads embeddings of {head.width} values, but {backbone_file.name} makes "
                f"{backbone.embedding_size}. {cls.name} needs {cls.encoder}."
            )
        return cls(backbone, head)

    def score(self, images: Tensor, prompts: list[str] | None) -> Tensor:
        return self.head(self.backbone.embed_images(images))

    def recomputable_layers(self) -> list[nn.Module]:
        return self.backbone.layers()
