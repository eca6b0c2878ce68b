"""The published sizes are recognised and need no configuration: checked on shapes alone, without weights."""

from pathlib import Path

import open_clip
import pytest
import torch
from transformers import (
    BlipTextModel,
    BlipVisionModel,
    CLIPConfig,
    CLIPModel,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from reward_models.blip_reward import blip_configs
from reward_models.checkpoint import Checkpoint
from reward_models.clip_huggingface import huggingface_config
from reward_models.clip_open import open_clip_config
from reward_models.recognise import recognise
from reward_models.siglip_backbone import siglip_config

# config.json of openai/clip-vit-large-patch14 and laion/CLIP-ViT-H-14-laion2B-s32B-b79K, what is not default.
HUGGINGFACE = {
    "ViT-L/14": {
        "projection_dim": 768,
        "text_config": {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12},
        "vision_config": {
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_attention_heads": 16,
            "num_hidden_layers": 24,
            "patch_size": 14,
        },
    },
    "ViT-H/14": {
        "projection_dim": 1024,
        "text_config": {
            "hidden_act": "gelu",
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_attention_heads": 16,
            "num_hidden_layers": 24,
        },
        "vision_config": {
            "hidden_act": "gelu",
            "hidden_size": 1280,
            "intermediate_size": 5120,
            "num_attention_heads": 16,
            "num_hidden_layers": 32,
            "patch_size": 14,
        },
    },
}
OPEN_CLIP = {"ViT-L/14": "ViT-L-14-quickgelu", "ViT-H/14": "ViT-H-14"}
TOLD = (
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "num_hidden_layers",
    "hidden_act",
    "layer_norm_eps",
)


def shapes_only(name: str, build) -> Checkpoint:
    with torch.device("meta"):
        state = build().state_dict()
    return Checkpoint(Path(name), {key: tuple(tensor.shape) for key, tensor in state.items()}, state.__getitem__)


@pytest.mark.parametrize("family", HUGGINGFACE)
@pytest.mark.parametrize("with_text", [False, True])
def test_huggingface_clip(family, with_text):
    published = CLIPConfig(**HUGGINGFACE[family])
    checkpoint = shapes_only("CLIP.safetensors", lambda: CLIPModel(published))
    assert family in recognise(checkpoint).description
    built = huggingface_config(checkpoint, {}, with_text)
    vision = built.vision_config if with_text else built
    pairs = [(vision, published.vision_config)] + ([(built.text_config, published.text_config)] if with_text else [])
    for ours, theirs in pairs:
        assert {name: getattr(ours, name) for name in TOLD} == {name: getattr(theirs, name) for name in TOLD}
    assert (vision.image_size, vision.patch_size, vision.projection_dim) == (
        224,
        14,
        published.projection_dim,
    )


@pytest.mark.parametrize(
    "family, name, heads",
    [
        ("ViT-L/14", "hp_backbone", {"LAION Aesthetic V2"}),
        ("ViT-H/14", "hp_backbone", {"HP"}),
        ("ViT-H/14", "mystery", {"HP"}),
        ("ViT-H/14", "CLIP-ViT-H-14-laion2B-s32B-b79K", set()),
    ],
)
def test_which_heads_a_clip_may_bear(family, name, heads):
    info = recognise(shapes_only(f"{name}.bin", lambda: CLIPModel(CLIPConfig(**HUGGINGFACE[family]))))
    assert set(info.backbone_for) == heads | {"image similarity", "quality words", "Taste"}


@pytest.mark.parametrize("family", OPEN_CLIP)
def test_open_clip(family):
    published = open_clip.get_model_config(OPEN_CLIP[family])
    checkpoint = shapes_only("ViT.pt", lambda: open_clip.model.CLIP(**published))
    assert family in recognise(checkpoint).description
    built = open_clip_config(checkpoint, {}, with_text=True)
    assert built["embed_dim"] == published["embed_dim"]
    assert built["quick_gelu"] == published.get("quick_gelu", False)
    for tower, config in (
        ("vision_cfg", open_clip.model.CLIPVisionCfg),
        ("text_cfg", open_clip.model.CLIPTextCfg),
    ):
        assert built[tower] == config(**published[tower])


@pytest.mark.parametrize(
    ("name", "field"),
    [("CLIP-ViT-L-14-laion2B-s32B-b82K", "hidden_act"), ("clip_l14_datacomp", "hidden_act")],
)
def test_a_name_that_tells_of_another_activation_is_refused(name, field):
    checkpoint = shapes_only(f"{name}.safetensors", lambda: CLIPModel(CLIPConfig(**HUGGINGFACE["ViT-L/14"])))
    with pytest.raises(ValueError, match=f"Put {field} into {name}.json"):
        huggingface_config(checkpoint, {}, with_text=True)
    given = {"vision_config": {"hidden_act": "gelu"}, "text_config": {"hidden_act": "gelu"}}
    assert huggingface_config(checkpoint, given, with_text=True).text_config.hidden_act == "gelu"


def test_siglip():
    # config.json of google/siglip-so400m-patch14-384.
    published = SiglipVisionConfig(
        hidden_size=1152,
        image_size=384,
        intermediate_size=4304,
        num_attention_heads=16,
        num_hidden_layers=27,
        patch_size=14,
    )
    inner = shapes_only("siglip.safetensors", lambda: SiglipVisionModel(published))
    shapes = {"vision_model." + name.removeprefix("vision_model."): shape for name, shape in inner.shapes.items()}
    checkpoint = Checkpoint(inner.path, shapes, inner.read)
    assert recognise(checkpoint).description == "SigLIP"
    built = siglip_config(checkpoint, {})
    for name in (*TOLD, "image_size", "patch_size"):
        assert getattr(built, name) == getattr(published, name)


@pytest.mark.parametrize("last_layer, kind", [(7, "ImageReward"), (8, "CycleReward")])
def test_blip_rewards(last_layer, kind):
    prefix = "blip.text_encoder."
    shapes = {
        "blip.visual_encoder.cls_token": (1, 1, 1024),
        "blip.visual_encoder.pos_embed": (1, 197, 1024),
        "blip.visual_encoder.patch_embed.proj.weight": (1024, 3, 16, 16),
        "blip.visual_encoder.blocks.0.mlp.fc1.weight": (4096, 1024),
        "blip.visual_encoder.blocks.23.norm1.weight": (1024,),
        prefix + "embeddings.word_embeddings.weight": (30524, 768),
        prefix + "embeddings.position_embeddings.weight": (512, 768),
        prefix + "encoder.layer.0.intermediate.dense.weight": (3072, 768),
        prefix + "encoder.layer.11.output.dense.bias": (768,),
        "mlp.layers.0.weight": (1024, 768),
        f"mlp.layers.{last_layer}.weight": (1, 16),
    }
    checkpoint = Checkpoint(Path("reward.pt"), shapes, shapes.__getitem__)
    assert recognise(checkpoint).kind == kind
    vision, text = blip_configs(checkpoint, {})
    assert (vision.num_attention_heads, vision.num_hidden_layers, vision.layer_norm_eps) == (16, 24, 1e-6)
    assert (vision.image_size, vision.hidden_act) == (224, "gelu")
    assert (text.num_attention_heads, text.num_hidden_layers, text.layer_norm_eps) == (12, 12, 1e-12)
    assert (text.vocab_size, text.max_position_embeddings, text.encoder_hidden_size) == (30524, 512, 1024)
    # With head (927,969) and the two unused projections (459,264) the published file has 446.7 million
    # parameters.
    with torch.device("meta"):
        encoders = (BlipVisionModel(vision), BlipTextModel(text, add_pooling_layer=False))
    parameters = sum(tensor.numel() for encoder in encoders for tensor in encoder.parameters())
    assert parameters + 927_969 + 459_264 == pytest.approx(446.7e6, abs=0.05e6)
