"""What stands on the image embedding: several affine heads, and the lower end of what they say."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..constants import upload

_LEAST_VARIANCE = 1e-8  # where all heads agree, the root of the variance still has a gradient


class TasteHead(nn.Module):
    """score = mean over heads - caution * standard deviation over heads, of weight . (e - centre) + bias.

    The heads were learned from different draws of the pictures. Where pictures like those taught them the same, they
    agree; in directions that only a few pictures spoke for they do not, and there a higher score is not believed.

    Args:
        centre: (D,), the mean embedding of what was learned from.
        weight: (K, D), K at least 2.
        bias: (K,).
        caution: 0 for the mean alone.
    """

    def __init__(self, centre: Tensor, weight: Tensor, bias: Tensor, caution: float):
        super().__init__()
        for name, value in (("centre", centre), ("weight", weight), ("bias", bias)):
            self.register_buffer(name, value)
        self.caution = caution

    @property
    def width(self) -> int:
        """The embedding size D."""
        return self.weight.shape[1]

    def logits(self, embeddings: Tensor) -> Tensor:
        """(B, D) -> (B, K): of each head, the logarithm of the odds that the picture is liked."""
        centre, weight, bias = (upload(value, embeddings.device).to(embeddings.dtype) for value in self.buffers())
        return F.linear(embeddings - centre, weight, bias)

    def forward(self, embeddings: Tensor) -> Tensor:
        """(B, D) -> (B,)."""
        logits = self.logits(embeddings)
        mean = logits.mean(dim=1)
        if self.caution == 0:
            return mean
        return mean - self.caution * (logits.var(dim=1) + _LEAST_VARIANCE).sqrt()


def single_head(centre: Tensor, weight: Tensor, bias: Tensor) -> TasteHead:
    """The head of one fit, (D,) and a scalar."""
    return TasteHead(centre, weight[None], torch.as_tensor(bias)[None], 0.0)
