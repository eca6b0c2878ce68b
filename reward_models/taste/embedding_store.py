"""A bounded store of picture embeddings: a picture that was seen is not encoded again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

import torch
from torch import Tensor


class EmbeddingStore:
    """The embeddings of the most recently used pictures, on the CPU: ordinary tensors without a graph.

    In memory only: a card encodes hundreds of pictures in less than a minute, and nothing has to be cleaned up.
    """

    def __init__(self, capacity: int = 16_000):
        self.capacity = capacity
        self._embeddings: OrderedDict[tuple[str, ...], Tensor] = OrderedDict()
        self._lock = Lock()

    def embedding(self, key: tuple[str, ...], encode: Callable[[], Tensor]) -> Tensor:
        """(D,) float32 under `key`, encoded if it is not there.

        Args:
            key: what the embedding depends on: encoder, picture, what was done to it.
            encode: () -> (1, D), on any device.
        """
        with self._lock:
            known = self._embeddings.get(key)
        if known is None:
            with torch.inference_mode(False), torch.no_grad():
                known = encode()[0].float().cpu().clone()
        with self._lock:
            self._embeddings[key] = known
            self._embeddings.move_to_end(key)
            while len(self._embeddings) > self.capacity:
                self._embeddings.popitem(last=False)
        return known
