"""ImageReward v1.0: how well a picture pleases people and follows its prompt; mean 0, variance 1.

Xu et al., "ImageReward: Learning and Evaluating Human Preferences for Text-to-Image Generation", arXiv
2304.05977.
"""

from __future__ import annotations

from torch import Tensor

from .affine_head import AffineHead, load_affine_head
from .blip_reward import BlipReward
from .checkpoint import Checkpoint

# Mean and standard deviation of the raw score over the authors' training pictures.
_SCORE_MEAN = 0.16717362830052426
_SCORE_STD = 1.0333394966054072


class ImageReward(BlipReward):
    """(head(h0) - mean) / std, with an affine head."""

    name = "ImageReward"
    typical_range = (-2.3, 2.0)
    max_tokens = 35

    @staticmethod
    def read_head(checkpoint: Checkpoint) -> AffineHead:
        return load_affine_head(checkpoint, "mlp.layers.", (0, 2, 4, 6, 7))

    def score(self, images: Tensor, prompts: list[str] | None) -> Tensor:
        return (super().score(images, prompts) - _SCORE_MEAN) / _SCORE_STD
