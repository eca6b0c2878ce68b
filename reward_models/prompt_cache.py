"""A bounded store of prompt embeddings: a prompt is encoded once, not at every optimization step."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class PromptCache:
    """The embeddings of the most recently used prompts, on the CPU.

    Embeddings are ordinary tensors without a graph even when first asked for under `torch.inference_mode`,
    because a later backward saves them.
    """

    def __init__(self, capacity: int = 64):
        self.capacity = capacity
        self._embeddings: OrderedDict[tuple[str, torch.dtype], Tensor] = OrderedDict()

    def embed(self, prompts: Sequence[str], dtype: torch.dtype, encode: Callable[[list[str]], Tensor]) -> Tensor:
        """The embeddings of prompts, each of which is encoded once.

        Args:
            prompts: may repeat one another.
            dtype: of the encoder's weights: a model moved to another precision encodes anew.
            encode: n prompts -> (n, D), on any device; called once, for the prompts not seen yet, if there are any.

        Returns:
            (len(prompts), D), on the CPU.
        """
        wanted = {prompt: self._embeddings.get((prompt, dtype)) for prompt in prompts}
        unseen = [prompt for prompt, embedding in wanted.items() if embedding is None]
        with torch.inference_mode(False), torch.no_grad():
            if unseen:
                wanted.update(zip(unseen, encode(unseen).cpu().clone(), strict=True))
            embeddings = torch.stack([wanted[prompt] for prompt in prompts])
        for prompt, embedding in wanted.items():
            self._embeddings[prompt, dtype] = embedding
            self._embeddings.move_to_end((prompt, dtype))
        while len(self._embeddings) > self.capacity:
            self._embeddings.popitem(last=False)
        return embeddings
