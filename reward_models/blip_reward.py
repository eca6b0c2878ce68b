"""The shape that ImageReward and CycleReward share: a head on what BLIP makes of prompt and picture together.

Li et al., "BLIP: Bootstrapping Language-Image Pre-training for Unified Vision-Language Understanding and
Generation", arXiv 2201.12086. A text encoder reads the prompt while attending to the image's patches; a head
scores its first token.
"""

from __future__ import annotations

import re
from math import isqrt
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .architecture import count_layers, pick, read_config, section
from .assembly import assemble, on_meta
from .base import RewardModel, at_least_float32
from .bert_tokens import BertTokens, find_vocabulary
from .checkpoint import Checkpoint
from .constants import upload
from .preprocess import clip_pixels

if TYPE_CHECKING:
    from transformers import BlipTextConfig, BlipVisionConfig

_VISION, _TEXT = "blip.visual_encoder.", "blip.text_encoder."
# The library's defaults (vision epsilon 1e-5, 8 text heads) are those of another BLIP and would load
# silently.
_PUBLISHED = {
    (1024, 24, 16): {"vision_config": {"num_attention_heads": 16}, "text_config": {"num_attention_heads": 12}}
}
# The head, and the two projections of BLIP's contrastive training that the score does not use.
_NOT_IN_ENCODERS = ("mlp.layers.", "blip.vision_proj", "blip.text_proj")
_EPSILONS = {"vision_config": 1e-6, "text_config": 1e-12}
_VISION_RENAMES = (
    (r"^cls_token$", "embeddings.class_embedding"),
    (r"^pos_embed$", "embeddings.position_embedding"),
    (r"^patch_embed\.proj\.", "embeddings.patch_embedding."),
    (r"^norm\.", "post_layernorm."),
    (r"^blocks\.(\d+)\.norm([12])\.", r"encoder.layers.\1.layer_norm\2."),
    (r"^blocks\.(\d+)\.attn\.qkv\.", r"encoder.layers.\1.self_attn.qkv."),
    (r"^blocks\.(\d+)\.attn\.proj\.", r"encoder.layers.\1.self_attn.projection."),
    (r"^blocks\.(\d+)\.mlp\.", r"encoder.layers.\1.mlp."),
)


class BlipReward(RewardModel):
    """head(h0), with h0 the text encoder's last state at [CLS], which attends to the image.

    Attributes:
        max_tokens: what is longer than this is cut off a prompt.

    Subclasses implement `read_head`: from the checkpoint to a module (B, D) -> (B,).
    """

    needs_prompt = True
    max_tokens: int

    def __init__(self, vision: nn.Module, text: nn.Module, head: nn.Module, tokenize: BertTokens):
        super().__init__()
        self.vision = vision
        self.text = text
        self.head = head
        self._tokenize = tokenize

    @staticmethod
    def read_head(checkpoint: Checkpoint) -> nn.Module:
        """The head in float32.

        Raises:
            ValueError: its layers are absent or do not fit together.
        """
        raise NotImplementedError

    @classmethod
    def load(cls, checkpoint: Checkpoint, dtype: torch.dtype) -> BlipReward:
        """Assemble from the published file or its safetensors copy; needs `vocab.txt` of bert-base-uncased.

        Raises:
            ValueError: the vocabulary is absent or another one, or the tensors do not fit.
        """
        # Seconds of import that only these rewards need.
        from transformers import BlipTextModel, BlipVisionModel

        rows = checkpoint.shape(_TEXT + "embeddings.word_embeddings.weight")[0]
        tokenize = BertTokens(find_vocabulary(checkpoint.path, cls.name), rows, cls.max_tokens)
        head = cls.read_head(checkpoint)
        vision_config, text_config = blip_configs(checkpoint, read_config(checkpoint.path))
        vision = on_meta(lambda: BlipVisionModel(vision_config))
        text = on_meta(lambda: BlipTextModel(text_config, add_pooling_layer=False))
        assemble(vision, checkpoint, dtype, _vision_name)
        assemble(text, checkpoint, dtype, _text_name)
        return cls(vision, text, head, tokenize)

    def score(self, images: Tensor, prompts: list[str] | None) -> Tensor:
        pixels = clip_pixels(images, self.vision.config.image_size).to(next(self.vision.parameters()).dtype)
        # Not `pooler_output`, which passes the final layer norm twice.
        patches = self.vision(pixel_values=pixels).last_hidden_state
        tokens, mask = (upload(part, pixels.device) for part in self._tokenize(prompts))
        states = self.text(
            input_ids=tokens,
            attention_mask=mask,
            encoder_hidden_states=patches,
            encoder_attention_mask=torch.ones(patches.shape[:2], dtype=torch.long, device=patches.device),
        ).last_hidden_state
        return self.head(at_least_float32(states[:, 0]))

    def recomputable_layers(self) -> list[nn.Module]:
        return [*self.vision.encoder.layers, *self.text.encoder.layer]


def blip_configs(checkpoint: Checkpoint, config: dict) -> tuple[BlipVisionConfig, BlipTextConfig]:
    """The transformers configurations: sizes from the tensors, the rest from `config` or as published."""
    from transformers import BlipTextConfig, BlipVisionConfig

    width, _, patch, _ = checkpoint.shape(_VISION + "patch_embed.proj.weight")
    layers = count_layers(checkpoint.shapes, r"blip\.visual_encoder\.blocks\.(\d+)\.")
    published = _PUBLISHED.get((width, layers, patch), {})
    vision = BlipVisionConfig(
        hidden_size=width,
        num_hidden_layers=layers,
        intermediate_size=checkpoint.shape(_VISION + "blocks.0.mlp.fc1.weight")[0],
        patch_size=patch,
        image_size=isqrt(checkpoint.shape(_VISION + "pos_embed")[1] - 1) * patch,
        **_untold(checkpoint, config, published, "vision_config"),
    )
    rows, text_width = checkpoint.shape(_TEXT + "embeddings.word_embeddings.weight")
    text = BlipTextConfig(
        vocab_size=rows,
        hidden_size=text_width,
        encoder_hidden_size=width,
        num_hidden_layers=count_layers(checkpoint.shapes, r"blip\.text_encoder\.encoder\.layer\.(\d+)\."),
        intermediate_size=checkpoint.shape(_TEXT + "encoder.layer.0.intermediate.dense.weight")[0],
        max_position_embeddings=checkpoint.shape(_TEXT + "embeddings.position_embeddings.weight")[0],
        **_untold(checkpoint, config, published, "text_config"),
    )
    return vision, text


def _untold(checkpoint: Checkpoint, config: dict, published: dict, tower: str) -> dict:
    fields, known = section(config, tower), published.get(tower, {})
    return {
        "num_attention_heads": pick("num_attention_heads", checkpoint.path, fields, known),
        "layer_norm_eps": fields.get("layer_norm_eps", _EPSILONS[tower]),
        "hidden_act": fields.get("hidden_act", "gelu"),
    }


def _vision_name(name: str) -> str | None:
    if not name.startswith(_VISION):
        return None
    own_name = name.removeprefix(_VISION)
    for pattern, replacement in _VISION_RENAMES:
        own_name, found = re.subn(pattern, replacement, own_name)
        if found:
            return own_name
    return name


def _text_name(name: str) -> str | None:
    if name.startswith((_VISION, *_NOT_IN_ENCODERS)) or name.endswith(".position_ids"):
        return None
    return name.removeprefix(_TEXT)
