"""Small weight files in the layouts of the published ones, with random weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

CLIP_CONFIG = {
    "projection_dim": 24,
    "text_config": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "hidden_act": "gelu",
        "eos_token_id": 49407,
        "bos_token_id": 49406,
    },
    "vision_config": {
        "hidden_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 96,
        "image_size": 42,
        "patch_size": 14,
        "hidden_act": "gelu",
    },
}
HP_CLIP_CONFIG = CLIP_CONFIG | {"projection_dim": 1024}
OPEN_CLIP_CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {"layers": 2, "width": 48, "head_width": 16, "patch_size": 14, "image_size": 42},
    "text_cfg": {"width": 32, "heads": 4, "layers": 2},
    "quick_gelu": False,
}
SIGLIP_CONFIG = {
    "vision_config": {
        "hidden_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 80,
        # Like the published 384: no multiple of the patch size.
        "image_size": 45,
        "patch_size": 14,
    },
    "text_config": {
        "hidden_size": 48,
        "num_hidden_layers": 1,
        "num_attention_heads": 3,
        "intermediate_size": 64,
        "vocab_size": 20,
    },
}
BLIP_CONFIG = {
    "vision_config": {"num_attention_heads": 4},
    "text_config": {"num_attention_heads": 3},
}


def random_weights(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, Tensor]:
    """Weights of order 1 / sqrt(fan in), biases and norms that matter: attention is not flat."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in shapes.items():
        values = torch.randn(shape, generator=generator)
        if len(shape) < 2:
            is_scale = "norm" in name.lower() or ".ln_" in name or "layrnorm" in name or "ln_final" in name
            weights[name] = 1 + 0.2 * values if is_scale and name.endswith("weight") else 0.2 * values
        elif "embed" in name.lower():
            weights[name] = 0.7 * values
        else:
            # Heads a little weaker: their scores stay in the usual range of a few units.
            gain = 0.9 if "layers." in name and name.split("layers.")[0] in ("", "mlp.") else 1.3
            weights[name] = values * gain / values[0].numel() ** 0.5
    if "logit_scale" in weights:
        weights["logit_scale"] = torch.full_like(weights["logit_scale"], 4.2)
    return weights


def _shapes(build: Callable[[], nn.Module]) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        module = build()
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def huggingface_clip(path: Path, config: dict = CLIP_CONFIG, vision_only: bool = False) -> dict[str, Tensor]:
    """Write a CLIP in Hugging Face layout with its configuration beside it; returns the weights."""
    weights = random_weights(_shapes(lambda: CLIPModel(CLIPConfig(**config))), seed=1)
    if vision_only:
        weights = {name: tensor for name, tensor in weights.items() if not name.startswith(("text_", "logit_scale"))}
    _write(path, weights, config)
    return weights


def open_clip_state(config: dict = OPEN_CLIP_CONFIG) -> dict[str, Tensor]:
    """Random weights in open_clip layout."""
    return random_weights(_shapes(lambda: open_clip.model.CLIP(**config)), seed=2)


def open_clip_file(path: Path, config: dict = OPEN_CLIP_CONFIG) -> dict[str, Tensor]:
    """Write a CLIP in open_clip layout with its configuration beside it; returns the weights."""
    weights = open_clip_state(config)
    _write(path, weights, config)
    return weights


def wider(config: dict, width: int = 960) -> dict:
    """The same configuration, wider: rounding averages out as in the published sizes."""
    wide = {"vision_config": {"hidden_size": width}, "vision_cfg": {"width": width, "head_width": width // 3}}
    sections = {name: fields | wide.get(name, {}) for name, fields in config.items() if isinstance(fields, dict)}
    sizes = {name: width for name in ("projection_dim", "embed_dim") if name in config}
    return config | sections | sizes


def hps_file(path: Path, config: dict = OPEN_CLIP_CONFIG) -> dict[str, Tensor]:
    """Write half weights nested under "state_dict", as HPS is published; returns them as float32."""
    weights = {name: tensor.half() for name, tensor in open_clip_state(config).items()}
    _write(path, weights, config, nested=True)
    return {name: tensor.float() for name, tensor in weights.items()}


def siglip(path: Path) -> dict[str, Tensor]:
    """Write a whole SigLIP, text tower included, with `vision_model.` names; returns the weights."""
    shapes = _shapes(lambda: SiglipModel(SiglipConfig(**SIGLIP_CONFIG)))
    weights = random_weights(shapes, seed=3)
    _write(path, weights, SIGLIP_CONFIG)
    return weights


def head(path: Path, prefix: str, indices: tuple[int, ...], width: int) -> dict[str, Tensor]:
    """Write five linear layers named `{prefix}{index}`; returns the weights."""
    sizes = (width, 16, 12, 8, 4, 1)
    shapes = {}
    for index, inputs, outputs in zip(indices, sizes, sizes[1:], strict=False):
        shapes[f"{prefix}{index}.weight"] = (outputs, inputs)
        shapes[f"{prefix}{index}.bias"] = (outputs,)
    weights = random_weights(shapes, seed=4)
    _write(path, weights)
    return weights


def hp(folder: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Write HP in the folders it is published in; returns the weights of head and image encoder."""
    encoder = huggingface_clip(folder / "hp_backbone" / "pytorch_model.bin", HP_CLIP_CONFIG)
    (folder / "hp_scorer").mkdir()
    return head(folder / "hp_scorer" / "mlp_pytorch_model.bin", "layers.", (0, 2, 4, 6, 7), 1024), encoder


def laion_head(path: Path, width: int = 24) -> dict[str, Tensor]:
    """Write a LAION Aesthetic V2 head."""
    return head(path, "layers.", (0, 2, 4, 6, 7), width)


def aesthetic_v25_head(path: Path, width: int = 48) -> dict[str, Tensor]:
    """Write an Aesthetic V2.5 head."""
    return head(path, "scoring_head.", (0, 2, 4, 6, 8), width)


def vocabulary_words() -> list[str]:
    """WordPiece tokens with bert-base-uncased's special tokens and a few words and pieces."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ",", "a", "red", "house", "sea", "bird", "##s"]
    words += [letter for letter in letters if letter != "a"] + [f"##{letter}" for letter in letters if letter != "s"]
    return words


def image_reward(path: Path, width: int = 32, text_width: int = 24) -> dict[str, Tensor]:
    """Write an ImageReward with its vocabulary beside it; returns the weights."""
    return _blip_reward(path, width, text_width, (0, 2, 4, 6, 7), positions=40)


def cycle_reward(path: Path, width: int = 32, text_width: int = 24) -> dict[str, Tensor]:
    """Write a CycleReward with its vocabulary beside it; returns the weights."""
    return _blip_reward(path, width, text_width, (0, 2, 4, 6, 8), positions=130)


def _blip_reward(
    path: Path, width: int, text_width: int, head_indices: tuple[int, ...], positions: int
) -> dict[str, Tensor]:
    mlp, rows = 48, len(vocabulary_words()) + 2
    vision, text = "blip.visual_encoder.", "blip.text_encoder."
    shapes: dict[str, tuple[int, ...]] = {
        vision + "cls_token": (1, 1, width),
        vision + "pos_embed": (1, 10, width),
        vision + "patch_embed.proj.weight": (width, 3, 16, 16),
        vision + "patch_embed.proj.bias": (width,),
        **_affine(vision + "norm", width),
        **_affine(text + "embeddings.LayerNorm", text_width),
        text + "embeddings.word_embeddings.weight": (rows, text_width),
        text + "embeddings.position_embeddings.weight": (positions, text_width),
        "blip.vision_proj.weight": (8, width),
        "blip.text_proj.weight": (8, text_width),
    }
    for layer in range(2):
        block = f"{vision}blocks.{layer}."
        shapes |= _affine(block + "norm1", width) | _affine(block + "norm2", width)
        shapes |= _linear(block + "attn.qkv", width, 3 * width) | _linear(block + "attn.proj", width, width)
        shapes |= _linear(block + "mlp.fc1", width, mlp) | _linear(block + "mlp.fc2", mlp, width)
        block = f"{text}encoder.layer.{layer}."
        for attention, keys in (("attention", text_width), ("crossattention", width)):
            for projection, inputs in (("query", text_width), ("key", keys), ("value", keys)):
                shapes |= _linear(f"{block}{attention}.self.{projection}", inputs, text_width)
            shapes |= _linear(f"{block}{attention}.output.dense", text_width, text_width)
            shapes |= _affine(f"{block}{attention}.output.LayerNorm", text_width)
        shapes |= _linear(block + "intermediate.dense", text_width, mlp)
        shapes |= _linear(block + "output.dense", mlp, text_width) | _affine(block + "output.LayerNorm", text_width)
    sizes = (text_width, 16, 12, 8, 4, 1)
    for index, inputs, outputs in zip(head_indices, sizes, sizes[1:], strict=False):
        shapes |= _linear(f"mlp.layers.{index}", inputs, outputs)
    weights = random_weights(shapes, seed=5)
    weights[text + "embeddings.position_ids"] = torch.arange(positions)[None]
    _write(path, weights, BLIP_CONFIG)
    path.with_name("vocab.txt").write_text("\n".join(vocabulary_words()) + "\n", encoding="utf-8")
    return weights


def _linear(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _affine(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _write(path: Path, weights: dict[str, Tensor], config: dict | None = None, nested: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        save_file({name: tensor.contiguous() for name, tensor in weights.items()}, path)
    else:
        torch.save({"state_dict": weights} if nested else weights, path)
    if config is not None:
        path.with_suffix(".json").write_text(json.dumps(config), encoding="utf-8")
