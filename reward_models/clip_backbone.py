"""CLIP image and text encoders behind one interface, from Hugging Face or open_clip checkpoints.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", arXiv 2103.00020.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .base import at_least_float32
from .checkpoint import Checkpoint
from .constants import upload
from .preprocess import clip_pixels
from .prompt_cache import PromptCache

# By vision width, names of trainings with the same sizes but the other activation than OpenAI's ViT-L/14
# (quick-GELU) and laion's ViT-H/14 (GELU).
_OTHER_ACTIVATION = {1024: r"laion|datacomp|commonpool", 1280: r"dfn|metaclip"}
VOCABULARY_SIZE = 49408  # byte-pair encoding of CLIP, with its start and end tokens


class ClipBackbone(nn.Module):
    """Unit-length CLIP embeddings of images and prompts.

    Attributes:
        image_size: side of the square the vision tower reads, pixels.
        embedding_size: D of the shared embedding space.
        context_length: number of tokens the text tower reads; 0 without a text tower.
    """

    image_size: int
    embedding_size: int
    context_length: int = 0

    def __init__(self):
        super().__init__()
        self._prompt_cache = PromptCache()

    def project_image(self, pixels: Tensor) -> Tensor:
        """(B, 3, image_size, image_size) normalised pixels to (B, D), before normalisation to unit length."""
        raise NotImplementedError

    def project_tokens(self, tokens: Tensor) -> Tensor:
        """(B, context_length) token ids to (B, D), before normalisation to unit length."""
        raise NotImplementedError

    def layers(self) -> list[nn.Module]:
        """The transformer layers of the vision tower."""
        raise NotImplementedError

    def drop_text(self) -> None:
        """Free the text tower, for a score whose prompts are embedded once and for all."""
        raise NotImplementedError

    @property
    def logit_scale(self) -> Tensor:
        """Scalar: logarithm of the factor the model was trained to multiply cosines with."""
        raise NotImplementedError

    @property
    def weight_dtype(self) -> torch.dtype:
        """Of the weights, which prompts and pixels are computed in."""
        return next(self.parameters()).dtype

    def prepare(self, images: Tensor, round_offset: bool = True) -> Tensor:
        """The published preprocessing of CLIP: shorter edge to `image_size`, centre crop, normalise.

        Args:
            images: (B, 3, H, W) in [0, 1].
            round_offset: False for what was made with the transformers image processor, see `shorter_edge_crop`.

        Returns:
            (B, 3, image_size, image_size).
        """
        return clip_pixels(images, self.image_size, round_offset)

    def features(self, pixels: Tensor) -> Tensor:
        """(B, 3, image_size, image_size) normalised pixels to (B, D) of any length, at least float32."""
        return at_least_float32(self.project_image(pixels.to(self.weight_dtype)))

    def embed_pixels(self, pixels: Tensor) -> Tensor:
        """(B, 3, image_size, image_size) normalised pixels to (B, D), unit length, at least float32."""
        return F.normalize(self.features(pixels), dim=-1)

    def embed_images(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] to (B, D), unit length."""
        return self.embed_pixels(self.prepare(images))

    def embed_prompts(self, prompts: list[str]) -> Tensor:
        """B prompts to (B, D), unit length, without a graph; each prompt is encoded once."""
        embeddings = self._prompt_cache.embed(prompts, self.weight_dtype, self._encode_prompts)
        return upload(embeddings, next(self.parameters()).device)

    def _encode_prompts(self, prompts: list[str]) -> Tensor:
        # open_clip takes seconds to import, so only rewards that read prompts pay for it.
        import open_clip

        tokens = open_clip.tokenize(prompts, context_length=self.context_length)
        features = self.project_tokens(tokens.to(next(self.parameters()).device))
        return F.normalize(at_least_float32(features), dim=-1)


def check_vocabulary(checkpoint: Checkpoint, name: str) -> None:
    """Raise ValueError unless the token table `name` belongs to CLIP's tokenizer."""
    rows = checkpoint.shapes[name][0]
    if rows != VOCABULARY_SIZE:
        raise ValueError(
            f"{checkpoint.path.name} has a vocabulary of {rows} tokens; CLIP's tokenizer has "
            f"{VOCABULARY_SIZE}. Its text encoder cannot read prompts."
        )


def check_published_activation(path: Path, width: int, field: str) -> None:
    """Refuse a file whose name tells that its activation is not the published one.

    Tensors do not tell the activation, and the wrong one scores wrongly without an error.

    Args:
        path: of the weights.
        width: of the transformer that the tensors tell.
        field: what the JSON file beside the weights would have to say.

    Raises:
        ValueError: it is such a file; names `field`.
    """
    if re.search(_OTHER_ACTIVATION.get(width, r"(?!)"), path.stem.lower()):
        raise ValueError(
            f"{path.name} has the sizes of a well-known CLIP, but its name suggests another training, whose "
            f"activation cannot be read from the tensors. Put {field} into {path.with_suffix('.json').name} "
            "beside the file."
        )
