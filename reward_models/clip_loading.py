"""Which library reads a CLIP file: open_clip its own layout, transformers Hugging Face's."""

from __future__ import annotations

import torch

from .checkpoint import Checkpoint
from .clip_backbone import ClipBackbone


def load_clip(
    checkpoint: Checkpoint,
    dtype: torch.dtype,
    with_text: bool = True,
) -> ClipBackbone:
    """Load a CLIP from its checkpoint, without the text tower if that is not needed.

    Raises:
        ValueError: the checkpoint is no CLIP, lacks the text tower, or its tensors do not fit.
    """
    names = checkpoint.shapes
    # Each library takes seconds to import; only the one the file needs is.
    if "visual.conv1.weight" in names:
        from .clip_open import load_open_clip as load

        has_text = "token_embedding.weight" in names
    elif "visual_projection.weight" in names:
        from .clip_huggingface import load_huggingface_clip as load

        has_text = "text_projection.weight" in names
    else:
        raise ValueError(f"{checkpoint.path.name} holds no CLIP image encoder.")
    if with_text and not has_text:
        raise ValueError(
            f"{checkpoint.path.name} holds only the image encoder of a CLIP; a score that reads prompts "
            "needs the file with both encoders (model.safetensors of the published model)."
        )
    return load(checkpoint, dtype, with_text)
