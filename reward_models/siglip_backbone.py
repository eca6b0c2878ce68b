"""SigLIP's image encoder (google/siglip-so400m-patch14-384) with transformers.

Zhai et al., "Sigmoid Loss for Language Image Pre-Training", arXiv 2303.15343.
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .architecture import count_layers, pick, read_config, section
from .assembly import assemble, on_meta
from .base import at_least_float32
from .checkpoint import Checkpoint
from .preprocess import normalise, squash

if TYPE_CHECKING:
    from transformers import SiglipVisionConfig

_MEAN = _STD = (0.5, 0.5, 0.5)
# (width, layers, patch size): fields that tensor shapes do not tell. 384 is no multiple of 14; 27 patches
# fit.
_PUBLISHED = {(1152, 27, 14): {"num_attention_heads": 16, "image_size": 384}}
_TEXT_TOWER = ("text_model.", "logit_scale", "logit_bias")


class SiglipBackbone(nn.Module):
    """Unit-length embeddings of images: the attention-pooled output, which has no projection.

    Attributes:
        image_size: side of the square that is read, pixels.
        embedding_size: D of the embeddings.
    """

    def __init__(self, siglip: nn.Module):
        super().__init__()
        self.siglip = siglip
        self.image_size = siglip.config.image_size
        self.embedding_size = siglip.config.hidden_size

    def prepare(self, images: Tensor) -> Tensor:
        """The published preprocessing: both edges to `image_size`, [0, 1] to [-1, 1]."""
        return normalise(squash(images, self.image_size), _MEAN, _STD)

    def embed_images(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] to (B, D), unit length."""
        pixels = self.prepare(images).to(next(self.parameters()).dtype)
        return F.normalize(at_least_float32(self.siglip(pixel_values=pixels).pooler_output), dim=-1)

    def layers(self) -> list[nn.Module]:
        """The transformer layers."""
        # transformers 5 removed the inner module `vision_model`.
        return list(getattr(self.siglip, "vision_model", self.siglip).encoder.layers)


def load_siglip(checkpoint: Checkpoint, dtype: torch.dtype) -> SiglipBackbone:
    """Load the image encoder from a file of the whole model or of the image encoder alone.

    Raises:
        ValueError: the file is no SigLIP with an attention-pooling head, or its tensors do not fit.
    """
    # Seconds of import that only this reward needs.
    from transformers import SiglipVisionModel

    if "vision_model.head.probe" not in checkpoint.shapes:
        raise ValueError(
            f"{checkpoint.path.name} is no SigLIP image encoder with its pooling head; use "
            "model.safetensors of google/siglip-so400m-patch14-384."
        )
    settings = siglip_config(checkpoint, read_config(checkpoint.path))
    siglip = on_meta(lambda: SiglipVisionModel(settings))
    prefix = "vision_model." if hasattr(siglip, "vision_model") else ""

    def rename(name: str) -> str | None:
        if name.startswith(_TEXT_TOWER) or name.endswith(".position_ids"):
            return None
        return prefix + name.removeprefix("vision_model.")

    return SiglipBackbone(assemble(siglip, checkpoint, dtype, rename))


def siglip_config(checkpoint: Checkpoint, config: dict) -> SiglipVisionConfig:
    """The transformers configuration: sizes from the tensors, the rest from `config` or as published."""
    from transformers import SiglipVisionConfig

    config = section(config, "vision_config") or config
    width, _, patch, _ = checkpoint.shape("vision_model.embeddings.patch_embedding.weight")
    layers = count_layers(checkpoint.shapes, r"vision_model\.encoder\.layers\.(\d+)\.")
    published = _PUBLISHED.get((width, layers, patch), {})
    side = isqrt(checkpoint.shape("vision_model.embeddings.position_embedding.weight")[0]) * patch
    return SiglipVisionConfig(
        hidden_size=width,
        num_hidden_layers=layers,
        intermediate_size=checkpoint.shape("vision_model.encoder.layers.0.mlp.fc1.weight")[0],
        patch_size=patch,
        image_size=config.get("image_size", published.get("image_size", side)),
        num_attention_heads=pick("num_attention_heads", checkpoint.path, config, published),
        hidden_act=config.get("hidden_act", "gelu_pytorch_tanh"),
        layer_norm_eps=config.get("layer_norm_eps", 1e-6),
    )
