"""CLIP in the layout of Hugging Face transformers (`vision_model.*`, `text_model.*`)."""

from __future__ import annotations

from math import isqrt

import torch
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, CLIPVisionConfig, CLIPVisionModelWithProjection

from .architecture import count_layers, pick, read_config, section
from .assembly import assemble, on_meta
from .checkpoint import Checkpoint
from .clip_backbone import ClipBackbone, check_published_activation, check_vocabulary

# (vision width, layers, patch size): fields that tensor shapes do not tell.
_PUBLISHED = {
    (1024, 24, 14): {  # openai/clip-vit-large-patch14
        "vision_config": {"num_attention_heads": 16, "hidden_act": "quick_gelu"},
        "text_config": {"num_attention_heads": 12, "hidden_act": "quick_gelu"},
    },
    (1280, 32, 14): {  # laion/CLIP-ViT-H-14-laion2B-s32B-b79K, PickScore, HPS
        "vision_config": {"num_attention_heads": 16, "hidden_act": "gelu"},
        "text_config": {"num_attention_heads": 16, "hidden_act": "gelu"},
    },
}
_VISION_ONLY_DROPPED = ("text_model.", "text_projection.", "logit_scale")


class HuggingFaceClip(ClipBackbone):
    """`transformers.CLIPModel`, or `CLIPVisionModelWithProjection` when prompts are not needed."""

    def __init__(self, clip: CLIPModel | CLIPVisionModelWithProjection):
        super().__init__()
        self.clip = clip
        self.embedding_size = clip.visual_projection.out_features
        vision, text = clip.config, None
        if isinstance(clip, CLIPModel):
            vision, text = clip.config.vision_config, clip.config.text_config
            self.context_length = text.max_position_embeddings
        self.image_size = vision.image_size

    # Towers and projections are called one by one: what `get_image_features` returns changed in transformers
    # 5.
    def project_image(self, pixels: Tensor) -> Tensor:
        return self.clip.visual_projection(self.clip.vision_model(pixel_values=pixels).pooler_output)

    def project_tokens(self, tokens: Tensor) -> Tensor:
        return self.clip.text_projection(self.clip.text_model(input_ids=tokens).pooler_output)

    def layers(self) -> list[nn.Module]:
        return list(self.clip.vision_model.encoder.layers)

    def drop_text(self) -> None:
        del self.clip.text_model, self.clip.text_projection
        self.context_length = 0

    @property
    def logit_scale(self) -> Tensor:
        return self.clip.logit_scale


def load_huggingface_clip(checkpoint: Checkpoint, dtype: torch.dtype, with_text: bool) -> HuggingFaceClip:
    """Build the transformers module with the tensors' sizes and fill it.

    Args:
        checkpoint: of a CLIP in the layout of transformers.
        dtype: of the weights.
        with_text: False leaves the text tower out.

    Raises:
        ValueError: the tensors do not fit.
    """
    clip_config = huggingface_config(checkpoint, read_config(checkpoint.path), with_text)
    if with_text:
        return HuggingFaceClip(assemble(on_meta(lambda: CLIPModel(clip_config)), checkpoint, dtype, _name))
    module = on_meta(lambda: CLIPVisionModelWithProjection(clip_config))
    return HuggingFaceClip(assemble(module, checkpoint, dtype, _vision_name))


def huggingface_config(checkpoint: Checkpoint, config: dict, with_text: bool) -> CLIPConfig | CLIPVisionConfig:
    """The transformers configuration: sizes from the tensors, the rest from `config` or as published."""
    shapes = checkpoint.shapes
    width, _, patch, _ = checkpoint.shape("vision_model.embeddings.patch_embedding.weight")
    layers = count_layers(shapes, r"vision_model\.encoder\.layers\.(\d+)\.")
    published = _PUBLISHED.get((width, layers, patch), {})
    positions, _ = checkpoint.shape("vision_model.embeddings.position_embedding.weight")
    projection, _ = checkpoint.shape("visual_projection.weight")
    # A file with the vision tower alone has these fields at the top level of its configuration.
    vision_fields = section(config, "vision_config") or config
    if "hidden_act" not in vision_fields:
        check_published_activation(checkpoint.path, width, "hidden_act")
    vision = {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "intermediate_size": checkpoint.shape("vision_model.encoder.layers.0.mlp.fc1.weight")[0],
        "patch_size": patch,
        "image_size": isqrt(positions - 1) * patch,
        "projection_dim": projection,
        **_untold(checkpoint, vision_fields, published.get("vision_config")),
    }
    if not with_text:
        return CLIPVisionConfig(**vision)

    table = "text_model.embeddings.token_embedding.weight"
    check_vocabulary(checkpoint, table)
    rows, text_width = checkpoint.shape(table)
    text = {
        "vocab_size": rows,
        "hidden_size": text_width,
        "num_hidden_layers": count_layers(shapes, r"text_model\.encoder\.layers\.(\d+)\."),
        "intermediate_size": checkpoint.shape("text_model.encoder.layers.0.mlp.fc1.weight")[0],
        "max_position_embeddings": checkpoint.shape("text_model.embeddings.position_embedding.weight")[0],
        "projection_dim": projection,
        "bos_token_id": rows - 2,
        "eos_token_id": rows - 1,
        **_untold(checkpoint, section(config, "text_config"), published.get("text_config")),
    }
    return CLIPConfig(text_config=text, vision_config=vision, projection_dim=projection)


def _untold(checkpoint: Checkpoint, tower: dict, published: dict | None) -> dict:
    """The fields of one tower that its tensors do not tell."""
    published = published or {}
    return {
        "num_attention_heads": pick("num_attention_heads", checkpoint.path, tower, published),
        # A saved configuration omits fields that have the library's default.
        "hidden_act": tower.get("hidden_act", published.get("hidden_act", "quick_gelu")),
        "layer_norm_eps": tower.get("layer_norm_eps", 1e-5),
    }


def _name(name: str) -> str | None:
    return None if name.endswith(".position_ids") else name


def _vision_name(name: str) -> str | None:
    return None if name.startswith(_VISION_ONLY_DROPPED) else _name(name)
