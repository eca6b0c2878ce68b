"""A learned taste as a reward, and its file.

Affine heads on frozen CLIP embeddings are how aesthetic predictors are made (Schuhmann's LAION Aesthetic; Crowson,
github.com/crowsonkb/simulacra-aesthetic-models); here the pictures are one's own, and there are few of them.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ..base import RewardModel
from ..checkpoint import Checkpoint
from ..encoder_signature import SIGNATURE_SIZE, encoder_signature, same_encoder
from ..image_encoder import load_encoder
from .head import TasteHead
from .views import Encoder, embed_views

WEIGHT = "taste.weight"
SIGNATURE = "taste.encoder"
ENCODER_NAME = "encoder"  # in the file's metadata
MOST_NAME = 40  # characters; it stands in tables and curves
_DAMAGED = "{file} is damaged: its tensors do not fit together. Learn the taste again."


class Taste(RewardModel):
    """head(mean embedding of four views of the picture); see `TasteHead` and `views`.

    The score is the lower end of the log odds that the picture is liked: 0 is undecided, and it has no bounds.
    """

    name = "taste"
    typical_range = (-4.0, 4.0)

    def __init__(self, encoder: Encoder, head: TasteHead, name: str = ""):
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.name = name[:MOST_NAME] or self.name

    @classmethod
    def load(cls, head: Checkpoint, backbone: Checkpoint, dtype: torch.dtype) -> Taste:
        """Assemble from the file of a taste and its image encoder.

        Raises:
            ValueError: the taste was learned with another encoder, before that is loaded; or its file is damaged.
        """
        read = _read_head(head)
        if not same_encoder(head.tensor(SIGNATURE), encoder_signature(backbone)):
            name = encoder_name(head)
            raise ValueError(
                f"The taste {head.path.name} was learned with another image encoder{f', {name}' if name else ''}, and "
                f"means nothing to {backbone.path.name}: choose that one as the backbone, or learn the taste again."
            )
        encoder = load_encoder(backbone, dtype)
        if encoder.embedding_size != read.width:
            raise ValueError(_DAMAGED.format(file=head.path.name))
        return cls(encoder, read, head.path.stem)

    def score(self, images: Tensor, prompts: list[str] | None) -> Tensor:
        return self.head(embed_views(self.encoder, images))

    def recomputable_layers(self) -> list[nn.Module]:
        return self.encoder.layers()


def save_taste(path: str | Path, head: TasteHead, signature: Tensor, encoder: str, report: str) -> None:
    """Write the file of a taste; what the encoder is stays in its own file.

    Args:
        path: ends in .safetensors.
        head: what was learned.
        signature: of the encoder, see `encoder_signature`.
        encoder: its name, for whoever has to find it again.
        report: what was learned, in words.
    """
    tensors = {f"taste.{name}": value.contiguous() for name, value in head.named_buffers()}
    tensors |= {"taste.caution": torch.tensor(float(head.caution)), SIGNATURE: signature.contiguous()}
    save_file(tensors, path, {ENCODER_NAME: encoder, "report": report})


def _read_head(file: Checkpoint) -> TasteHead:
    heads, width = file.shape(WEIGHT) if len(file.shape(WEIGHT)) == 2 else (0, 0)
    shapes = {"taste.centre": (width,), "taste.bias": (heads,), "taste.caution": (), SIGNATURE: (SIGNATURE_SIZE,)}
    if heads < 2 or any(file.shape(name) != shape for name, shape in shapes.items()):
        raise ValueError(_DAMAGED.format(file=file.path.name))
    centre, weight, bias = (file.tensor(f"taste.{part}").float().clone() for part in ("centre", "weight", "bias"))
    return TasteHead(centre, weight, bias, float(file.tensor("taste.caution")))


def encoder_name(head: Checkpoint) -> str:
    """What the file says about its encoder, on one line of ordinary length; "" if nothing."""
    name = head.metadata.get(ENCODER_NAME, "")
    return name[:80] if name.isprintable() else ""
