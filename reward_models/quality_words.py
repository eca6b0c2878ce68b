"""Quality words: whether a picture looks more like one phrase than like its opposite, in the eyes of CLIP.

Wang et al., "Exploring CLIP for Assessing the Look and Feel of Images" (CLIP-IQA), arXiv 2207.12396. The paper
reads a picture of full size with a ResNet-50 without position embeddings; here it is any CLIP with its usual
crop, as torchmetrics computes the score on ViT-L/14.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .base import RewardModel
from .clip_backbone import ClipBackbone

_LONGEST_NAME = 40  # characters of a phrase


class QualityWords(RewardModel):
    """CLIP's probability of the wanted phrase against the unwanted one, averaged over pairs of phrases.

    softmax(t cos(image, wanted), t cos(image, unwanted))[0] = sigmoid(t (cos(image, wanted) - cos(image, unwanted))),
    with t = exp(logit_scale), about 100.

    Args:
        clip: from `load_whole_clip`; its text tower is freed when the phrases are embedded.
        wanted, unwanted: as many phrases each; the first of one is the opposite of the first of the other.

    Raises:
        ValueError: as `check_word_pairs`.
    """

    typical_range = (0.0, 1.0)

    def __init__(self, clip: ClipBackbone, wanted: Sequence[str], unwanted: Sequence[str]):
        super().__init__()
        check_word_pairs(wanted, unwanted)
        self.name = _name(wanted)
        # Ordinary tensors even under inference mode, because a later backward saves them.
        with torch.inference_mode(False), torch.no_grad():
            opposites = clip.embed_prompts(list(wanted)) - clip.embed_prompts(list(unwanted))
            self.register_buffer("directions", clip.logit_scale.detach().exp() * opposites)
        clip.drop_text()
        self.clip = clip

    def score(self, images: Tensor, prompts: list[str] | None) -> Tensor:
        embeddings = self.clip.embed_pixels(self.clip.prepare(images, round_offset=False))
        return (embeddings @ self.directions.to(embeddings).T).sigmoid().mean(dim=1)


def _name(wanted: Sequence[str]) -> str:
    """Short enough for tables and curves: the first phrase, without its full stop."""
    first = " ".join(wanted[0].split()).rstrip(".")
    return f"words: {first[:_LONGEST_NAME]}" + ", ..." * (len(wanted) > 1)


def check_word_pairs(wanted: Sequence[str], unwanted: Sequence[str]) -> None:
    """Raise ValueError unless every wanted phrase has an unwanted one that differs from it."""
    if not wanted or not unwanted:
        empty = "wanted" if not wanted else "unwanted"
        raise ValueError(f'{empty} has no words; write a phrase each, such as "Good photo." and "Bad photo."')
    if len(wanted) != len(unwanted):
        raise ValueError(
            f"wanted has {len(wanted)} and unwanted has {len(unwanted)} lines with words; each line of wanted needs "
            "its opposite on the same line of unwanted."
        )
    for phrase, opposite in zip(wanted, unwanted, strict=True):
        if phrase.lower() == opposite.lower():
            raise ValueError(f"wanted and unwanted both say {phrase!r}; write the opposite into one of them.")
