"""Telling from the names and shapes of its tensors what a weight file is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .architecture import GENERIC_STEMS
from .checkpoint import Checkpoint

LAION_AESTHETIC = "LAION Aesthetic V2"
AESTHETIC_V25 = "Aesthetic V2.5"
PICKSCORE = "PickScore"
HPS_V2 = "HPS v2"
HPS_V21 = "HPS v2.1"
IMAGE_REWARD = "ImageReward"
CYCLE_REWARD = "CycleReward"
ICT = "ICT"
HP = "HP"
CLIP_SCORE = "CLIPScore"
IMAGE_SIMILARITY = "image similarity"
QUALITY_WORDS = "quality words"
TASTE = "Taste"

_NAME_HINTS = (
    (r"pick[ ._-]?score", PICKSCORE),
    (r"(?<![a-z])hps[ ._-]?v?2[._]1", HPS_V21),
    (r"(?<![a-z])hps", HPS_V2),
    (r"(?<![a-z])hp(?![a-z])", HP),
    (r"(?<![a-z])ict(?![a-z])", ICT),
    (r"clip|(?<![a-z])vit(?![a-z])", CLIP_SCORE),
)
_HEAD_INDICES = ("0", "2", "4", "6", "7")  # of LAION Aesthetic V2 and of HP
_HP_WIDTH = 1024  # of the embeddings that HP's head reads; LAION's reads 768


@dataclass(frozen=True)
class RewardFileInfo:
    """What a weight file is.

    Attributes:
        path: the file.
        description: the contents in words.
        kinds: rewards the file can be loaded as on its own or as the head; () for a file that is only a
            backbone.
        kind: the one of `kinds` that kind="auto" takes, or None where neither tensors nor file name tell.
        needs_backbone: whether an image encoder in a second file is needed.
        backbone_for: rewards whose image encoder this file can be.
    """

    path: Path
    description: str
    kinds: tuple[str, ...]
    kind: str | None
    needs_backbone: bool = False
    backbone_for: tuple[str, ...] = ()


def recognise(checkpoint: Checkpoint) -> RewardFileInfo:
    """Recognise a weight file.

    Raises:
        ValueError: the file belongs to no supported reward; says what it is where that is known.
    """
    path, shapes = checkpoint.path, checkpoint.shapes
    if "blip.visual_encoder.cls_token" in shapes and "mlp.layers.0.weight" in shapes:
        # Of the same names but for the last: CycleReward has activations between the layers, which are counted.
        kind = CYCLE_REWARD if "mlp.layers.8.weight" in shapes else IMAGE_REWARD
        return RewardFileInfo(path, kind, (kind,), kind)
    if "scoring_head.0.weight" in shapes:
        return RewardFileInfo(path, "Aesthetic V2.5 head", (AESTHETIC_V25,), AESTHETIC_V25, needs_backbone=True)
    if "taste.weight" in shapes:
        return RewardFileInfo(path, "taste of Learn Taste", (TASTE,), TASTE, needs_backbone=True)
    if "layers.0.weight" in shapes:
        return _recognise_affine_head(path, shapes)
    if "visual.attnpool.positional_embedding" in shapes:
        raise ValueError(
            f"{path.name} is a CLIP whose image encoder is a ResNet, which is not supported; use CLIP ViT-L/14 or "
            "ViT-H/14."
        )
    if "visual.conv1.weight" in shapes:
        return _recognise_clip(
            checkpoint,
            "open_clip layout",
            shapes["visual.conv1.weight"][0],
            (shapes.get("visual.proj") or (0, 0))[-1],
            "token_embedding.weight" in shapes,
        )
    if "visual_projection.weight" in shapes:
        projection, width = shapes["visual_projection.weight"]
        has_text = "text_model.embeddings.token_embedding.weight" in shapes
        return _recognise_clip(checkpoint, "Hugging Face layout", width, projection, has_text)
    if "vision_model.head.probe" in shapes:
        return RewardFileInfo(path, "SigLIP", (), None, backbone_for=(AESTHETIC_V25, IMAGE_SIMILARITY, TASTE))
    raise ValueError(f"{path.name} belongs to no supported reward model. {_explain_unknown(shapes)}")


def _recognise_affine_head(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> RewardFileInfo:
    indices = {match[1] for name in shapes if (match := re.fullmatch(r"layers\.(\d+)\.weight", name))}
    if indices == {"0", "3", "6", "9", "11"}:
        raise ValueError(
            f"{path.name} is the ReLU variant of the LAION aesthetic head. The published predictor has no "
            "activations, so its scores are not the published ones; use sac+logos+ava1-l14-linearMSE or "
            "ava+logos-l14-linearMSE."
        )
    expected = {f"layers.{index}.{part}" for index in _HEAD_INDICES for part in ("weight", "bias")}
    if set(shapes) != expected:
        raise ValueError(
            f"{path.name} resembles a LAION aesthetic head, but its layers are not 0, 2, 4, 6 and 7 alone. "
            "Use sac+logos+ava1-l14-linearMSE.pth."
        )
    kind = HP if shapes["layers.0.weight"][1:] == (_HP_WIDTH,) else LAION_AESTHETIC
    return RewardFileInfo(path, f"{kind} head", (kind,), kind, needs_backbone=True)


def _recognise_clip(checkpoint: Checkpoint, layout: str, width: int, projection: int, has_text: bool) -> RewardFileInfo:
    family = {(1024, 768): "ViT-L/14", (1280, 1024): "ViT-H/14"}.get((width, projection), f"of width {width}")
    description = f"CLIP {family}, {layout}" + ("" if has_text else ", image encoder alone")
    # LAION's head reads the embedding of ViT-L/14, HP's that of its own ViT-H/14; of sizes not published, the widths
    # decide when loading.
    may_be_l, may_be_h = family != "ViT-H/14", family != "ViT-L/14"
    # The tensors of these five, and of the encoder that was fine-tuned with HP's head, differ in values only.
    kinds = (PICKSCORE, HPS_V2, HPS_V21, ICT, CLIP_SCORE) if may_be_h else (CLIP_SCORE,)
    kind = _named_kind(checkpoint.path) if may_be_h else CLIP_SCORE
    below = {LAION_AESTHETIC: may_be_l, HP: may_be_h and kind in (HP, None), QUALITY_WORDS: has_text}
    backbone_for = (*(purpose for purpose, fits in below.items() if fits), IMAGE_SIMILARITY, TASTE)
    if not has_text or kind == HP:
        kinds, kind = (), None
    return RewardFileInfo(checkpoint.path, description, kinds, kind, backbone_for=backbone_for)


def _named_kind(path: Path) -> str | None:
    name = path.parent.name if path.stem in GENERIC_STEMS else path.stem
    return next((kind for pattern, kind in _NAME_HINTS if re.search(pattern, name.lower())), None)


def _explain_unknown(shapes: Mapping[str, tuple[int, ...]]) -> str:
    if any(name.startswith("text_model.") for name in shapes):
        return "It holds a text encoder alone; the model with the image encoder is needed."
    if any(name.startswith(("model.diffusion_model.", "double_blocks.", "first_stage_model.")) for name in shapes):
        return "It is an image generator."
    return f"Its first tensors are: {', '.join(list(shapes)[:3]) or 'none'}."
