"""From pictures to the embeddings that a taste is learned from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .broken_copies import GUARDS, WAYS, as_seen, ways_to_break
from .embedding_store import EmbeddingStore
from .pictures import Picture
from .views import Encoder, embed_views

ALIKE = 0.01  # the embeddings have length 1: pictures nearer to their mean than this are one picture to the encoder


@dataclass(frozen=True)
class Lesson:
    """Embeddings (float32, CPU): liked (L, D), disliked (M, D), M may be 0, broken (C, D), and whose copy each is.

    Attributes:
        source: (C,) int64, the liked picture that each broken copy is of.
    """

    liked: Tensor
    disliked: Tensor
    broken: Tensor
    source: Tensor


def embedded_lesson(
    encoder: Encoder,
    encoder_key: str,
    liked: Sequence[Picture],
    disliked: Sequence[Picture],
    store: EmbeddingStore,
    each: Callable[[], None] = lambda: None,
) -> Lesson:
    """Embed pictures and broken copies of the liked ones.

    Args:
        encoder: on any device; pictures are brought there one by one.
        encoder_key: tells it from other encoders.
        liked, disliked: different pictures; `disliked` may be empty.
        store: what was embedded before, and where new embeddings go.
        each: called after each picture; may raise to stop.

    Raises:
        ValueError: the liked pictures are all alike to the encoder.
    """
    device = next(encoder.parameters()).device

    def embed(picture: Picture, ways: dict) -> list[Tensor]:
        kept: list[Tensor] = []  # the pixels, read once, and only if an embedding is missing

        def pixels() -> Tensor:
            kept[:] = kept or [as_seen(picture.read().to(device).float() / 255, encoder.image_size)]
            return kept[0]

        found = [
            store.embedding(
                (encoder_key, picture.digest, name),
                lambda change=change: embed_views(encoder, change(pixels())[None]),
            )
            for name, change in ways.items()
        ]
        each()
        return found

    ways = WAYS if not disliked else GUARDS
    rows, broken, source = [], [], []
    for i, picture in enumerate(liked):
        whole, *copies = embed(picture, {"": lambda image: image, **ways_to_break(i, len(liked), ways)})
        rows.append(whole)
        broken += copies
        source += [i] * len(copies)
    with torch.inference_mode(False), torch.no_grad():
        liked_rows = torch.stack(rows)
        spread = (liked_rows - liked_rows.mean(dim=0)).norm(dim=1).square().mean().sqrt()
        if spread < ALIKE:
            raise ValueError(
                f"The {len(rows)} liked pictures look all alike to the image encoder, so there is no taste to learn: "
                "add other pictures that you like."
            )
        worse = [embed(picture, {"": lambda image: image})[0] for picture in disliked]
        disliked_rows = torch.stack(worse) if worse else liked_rows.new_zeros(0, liked_rows.shape[1])
        return Lesson(liked_rows, disliked_rows, torch.stack(broken), torch.tensor(source))
