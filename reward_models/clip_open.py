"""CLIP in the layout of open_clip and of OpenAI's own files (`visual.*`, `transformer.*`)."""

from __future__ import annotations

from math import isqrt
from typing import Any

import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn

from .architecture import count_layers, pick, read_config, section
from .assembly import assemble, on_meta
from .checkpoint import Checkpoint
from .clip_backbone import VOCABULARY_SIZE, ClipBackbone, check_published_activation, check_vocabulary

# (vision width, layers, patch size): fields that tensor shapes do not tell.
_PUBLISHED = {
    (1024, 24, 14): {  # OpenAI ViT-L/14
        "vision_cfg": {"head_width": 64},
        "text_cfg": {"heads": 12},
        "quick_gelu": True,
    },
    (1280, 32, 14): {  # laion ViT-H/14, HPS
        "vision_cfg": {"head_width": 80},
        "text_cfg": {"heads": 16},
        "quick_gelu": False,
    },
}
# Three scalars in OpenAI's own files, which were all trained with quick-GELU.
_OPENAI_SCALARS = ("input_resolution", "context_length", "vocab_size")
_TEXT_TOWER = (
    "token_embedding.",
    "positional_embedding",
    "transformer.",
    "ln_final.",
    "text_projection",
    "logit_scale",
)


class OpenClip(ClipBackbone):
    """`open_clip.CLIP`, or its vision tower alone when prompts are not needed."""

    def __init__(self, clip: CLIP | VisionTransformer):
        super().__init__()
        self.clip = clip
        self.image_size = self.visual.image_size[0]
        self.embedding_size = self.visual.output_dim
        if isinstance(clip, CLIP):
            self.context_length = clip.context_length

    @property
    def visual(self) -> VisionTransformer:
        """The vision tower."""
        return self.clip.visual if isinstance(self.clip, CLIP) else self.clip

    def project_image(self, pixels: Tensor) -> Tensor:
        return self.visual(pixels)

    def project_tokens(self, tokens: Tensor) -> Tensor:
        return self.clip.encode_text(tokens)

    def layers(self) -> list[nn.Module]:
        return list(self.visual.transformer.resblocks)

    def drop_text(self) -> None:
        self.clip = self.visual
        self.context_length = 0

    @property
    def logit_scale(self) -> Tensor:
        return self.clip.logit_scale


def load_open_clip(checkpoint: Checkpoint, dtype: torch.dtype, with_text: bool) -> OpenClip:
    """Build the open_clip module with the tensors' sizes and fill it.

    Args:
        checkpoint: of a CLIP in the layout of open_clip.
        dtype: of the weights.
        with_text: False leaves the text tower out.

    Raises:
        ValueError: the tensors do not fit.
    """
    settings = open_clip_config(checkpoint, read_config(checkpoint.path), with_text)
    clip = on_meta(lambda: CLIP(**settings))
    if with_text:
        return OpenClip(assemble(clip, checkpoint, dtype, _name))
    return OpenClip(assemble(clip.visual, checkpoint, dtype, _vision_name))


def open_clip_config(checkpoint: Checkpoint, config: dict, with_text: bool) -> dict[str, Any]:
    """Arguments of `open_clip.CLIP`: sizes from the tensors, the rest from `config` or as published."""
    shapes, path = checkpoint.shapes, checkpoint.path
    config = section(config, "model_cfg") or config
    width, _, patch, _ = checkpoint.shape("visual.conv1.weight")
    layers = count_layers(shapes, r"visual\.transformer\.resblocks\.(\d+)\.")
    published = _PUBLISHED.get((width, layers, patch), {})
    vision_fields, text_fields = section(config, "vision_cfg"), section(config, "text_cfg")
    vision = CLIPVisionCfg(
        layers=layers,
        width=width,
        head_width=pick("head_width", path, vision_fields, published.get("vision_cfg")),
        mlp_ratio=checkpoint.shape("visual.transformer.resblocks.0.mlp.c_fc.weight")[0] / width,
        patch_size=patch,
        image_size=isqrt(checkpoint.shape("visual.positional_embedding")[0] - 1) * patch,
    )
    # open_clip builds both towers; a text tower that is not needed is built as small as possible and dropped.
    text = CLIPTextCfg(width=64, heads=1, layers=1)
    if with_text:
        check_vocabulary(checkpoint, "token_embedding.weight")
        text_width = checkpoint.shape("token_embedding.weight")[1]
        text = CLIPTextCfg(
            context_length=checkpoint.shape("positional_embedding")[0],
            vocab_size=VOCABULARY_SIZE,
            width=text_width,
            heads=pick("heads", path, text_fields, published.get("text_cfg")),
            layers=count_layers(shapes, r"transformer\.resblocks\.(\d+)\."),
            mlp_ratio=checkpoint.shape("transformer.resblocks.0.mlp.c_fc.weight")[0] / text_width,
        )
    quick_gelu = config.get("quick_gelu", published.get("quick_gelu", False))
    if "input_resolution" in shapes:
        quick_gelu = True
    elif "quick_gelu" not in config:
        check_published_activation(path, width, "quick_gelu")
    return {
        "embed_dim": checkpoint.shape("visual.proj")[1],
        "vision_cfg": vision,
        "text_cfg": text,
        "quick_gelu": quick_gelu,
    }


def _name(name: str) -> str | None:
    return None if name in _OPENAI_SCALARS else name


def _vision_name(name: str) -> str | None:
    return None if name in _OPENAI_SCALARS or name.startswith(_TEXT_TOWER) else name.removeprefix("visual.")
