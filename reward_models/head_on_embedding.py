"""The shape that aesthetic predictors share: an affine head on the embedding of an image encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .affine_head import AffineHead, load_affine_head
from .base import RewardModel
from .checkpoint import Checkpoint
from .clip_backbone import ClipBackbone
from .clip_loading import load_clip
from .siglip_backbone import SiglipBackbone


class HeadOnEmbedding(RewardModel):
    """head(e / |e|), with e the image embedding of `backbone`, unless a subclass scores otherwise.

    Attributes:
        encoder: which image encoder the head was trained on, for messages.
        head_prefix, head_indices: names of the head's layers, as in `load_affine_head`.
    """

    encoder: str = ""
    head_prefix: str = "layers."
    head_indices: tuple[int, ...] = (0, 2, 4, 6, 7)

    def __init__(self, backbone: ClipBackbone | SiglipBackbone, head: AffineHead):
        super().__init__()
        self.backbone = backbone
        self.head = head

    @classmethod
    def load(cls, head: Checkpoint, backbone: Checkpoint, dtype: torch.dtype) -> HeadOnEmbedding:
        """Assemble from the files of the head and of its image encoder.

        Raises:
            ValueError: they do not belong together.
        """
        affine = load_affine_head(head, cls.head_prefix, cls.head_indices)
        encoder = cls.load_encoder(backbone, dtype)
        if encoder.embedding_size != affine.width:
            raise ValueError(
                f"{head.path.name} reads embeddings of {affine.width} values, but {backbone.path.name} makes "
                f"{encoder.embedding_size}. {cls.name} needs {cls.encoder}."
            )
        return cls(encoder, affine)

    @staticmethod
    def load_encoder(checkpoint: Checkpoint, dtype: torch.dtype) -> ClipBackbone | SiglipBackbone:
        """The image encoder: that of a CLIP, unless a subclass has another.

        Raises:
            ValueError: the file does not fit.
        """
        return load_clip(checkpoint, dtype, with_text=False)

    def score(self, images: Tensor, prompts: list[str] | None) -> Tensor:
        return self.head(self.backbone.embed_images(images))

    def recomputable_layers(self) -> list[nn.Module]:
        return self.backbone.layers()
