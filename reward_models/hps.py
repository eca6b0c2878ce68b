"""Human Preference Score v2 and v2.1: the cosine of a CLIP ViT-H/14 fine-tuned on human choices.

Wu et al., "Human Preference Score v2: A Solid Benchmark for Evaluating Human Preferences of Text-to-Image
Synthesis", arXiv 2306.09341. Tables of the paper and of its repository print the score times 100. Scores of
v2 and v2.1 are not comparable.
"""

from __future__ import annotations

from torch import Tensor

from .clip_score import ClipScore
from .preprocess import CLIP_MEAN, CLIP_STD, longest_edge_pad, normalise


class HumanPreferenceScore(ClipScore):
    """cos(image, prompt) of the whole picture, padded to a square with black; no scale."""

    name = "HPS v2"
    typical_range = (0.2, 0.35)

    def prepare(self, images: Tensor) -> Tensor:
        # The borders are black before, not after, the mean is subtracted.
        return normalise(longest_edge_pad(images, self.backbone.image_size), CLIP_MEAN, CLIP_STD)


class HumanPreferenceScore21(HumanPreferenceScore):
    """The same score with the weights of v2.1, which were trained on more and cleaner choices."""

    name = "HPS v2.1"
