"""Loading a reward model from its published files."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from . import recognise as kinds
from .aesthetic_v25 import AestheticV25
from .base import RewardModel, check_dtype
from .checkpoint import Checkpoint, open_checkpoint
from .clip_backbone import ClipBackbone
from .clip_loading import load_clip
from .clip_score import ClipScore
from .cycle_reward import CycleReward
from .high_preference import HighPreference
from .hps import HumanPreferenceScore, HumanPreferenceScore21
from .image_contained_text import ImageContainedText
from .image_encoder import load_encoder
from .image_reward import ImageReward
from .laion_aesthetic import LaionAesthetic
from .pickscore import PickScore
from .recognise import RewardFileInfo, recognise
from .recompute import recompute_in_backward
from .siglip_backbone import SiglipBackbone
from .taste.reward import Taste, encoder_name

log = logging.getLogger(__name__)

_ONE_FILE = {
    kinds.PICKSCORE: PickScore,
    kinds.HPS_V2: HumanPreferenceScore,
    kinds.HPS_V21: HumanPreferenceScore21,
    kinds.IMAGE_REWARD: ImageReward,
    kinds.CYCLE_REWARD: CycleReward,
    kinds.ICT: ImageContainedText,
    kinds.CLIP_SCORE: ClipScore,
}
_HEAD_AND_BACKBONE = {
    kinds.LAION_AESTHETIC: LaionAesthetic,
    kinds.AESTHETIC_V25: AestheticV25,
    kinds.HP: HighPreference,
    kinds.TASTE: Taste,
}
_BACKBONE_FILES = {
    kinds.LAION_AESTHETIC: "CLIP ViT-L/14 (model.safetensors of openai/clip-vit-large-patch14)",
    kinds.AESTHETIC_V25: "SigLIP (model.safetensors of google/siglip-so400m-patch14-384)",
    kinds.HP: "the CLIP published with it (hp_backbone/pytorch_model.bin of 8y/HP, renamed to hp_backbone.bin)",
    kinds.TASTE: "the CLIP or SigLIP that it was learned with",
}
KINDS = (*_HEAD_AND_BACKBONE, *_ONE_FILE)


def inspect_reward_file(path: str | Path) -> RewardFileInfo:
    """Tell from the header of a weight file which rewards it holds, without loading it.

    Raises:
        ValueError: the file is unreadable or belongs to no supported reward.
    """
    return recognise(open_checkpoint(path))


def load_reward(
    path: str | Path,
    kind: str = "auto",
    backbone: str | Path | None = None,
    dtype: torch.dtype = torch.float32,
    recompute: bool = False,
) -> RewardModel:
    """Load a reward model: frozen, in eval mode, on the CPU.

    Args:
        path: weight file of the reward, or of its head.
        kind: one of `KINDS`, or "auto": told from the tensors and, where they are alike, from the file name.
        backbone: the file of the image encoder, for rewards whose own file is only a head.
        dtype: float32 or bfloat16; the score itself is computed in float32.
        recompute: recompute encoder layers in backward instead of keeping their activations.

    Raises:
        ValueError: a file is absent, damaged, of another model, or needs another choice; says which and what
            to do.
    """
    if kind not in ("auto", *KINDS):
        raise ValueError(f"There is no reward {kind!r}; choose auto or one of {', '.join(KINDS)}.")
    check_dtype(dtype, Path(path).name)
    # Weights made under inference mode, which hosts may be in, could never take part in a backward.
    with torch.inference_mode(False), torch.no_grad():
        reward = _load(path, kind, backbone, dtype)
    if recompute:
        recompute_in_backward(reward.recomputable_layers())
    return reward.requires_grad_(False).eval()


def load_image_encoder(path: str | Path) -> ClipBackbone | SiglipBackbone:
    """Load the image encoder of a CLIP or SigLIP, for `ImageSimilarity` and `Taste`: float32, on the CPU.

    Raises:
        ValueError: the file is unreadable, or holds no CLIP or SigLIP.
    """
    with torch.inference_mode(False), torch.no_grad():
        checkpoint, _ = _encoder(path, kinds.IMAGE_SIMILARITY, "an image encoder (CLIP or SigLIP)")
        return load_encoder(checkpoint, torch.float32)


def load_whole_clip(path: str | Path) -> ClipBackbone:
    """Load a CLIP with both its encoders, for `QualityWords`: float32, on the CPU.

    Raises:
        ValueError: the file is unreadable, or holds no CLIP with both encoders.
    """
    with torch.inference_mode(False), torch.no_grad():
        checkpoint, _ = _encoder(path, kinds.QUALITY_WORDS, "a CLIP with its encoders of images and of words")
        return load_clip(checkpoint, torch.float32)


def _encoder(path: str | Path, purpose: str, needed: str) -> tuple[Checkpoint, RewardFileInfo]:
    """Open a file that has to serve one of the purposes in `backbone_for`; `needed`: what does, in words."""
    checkpoint = open_checkpoint(path)
    info = recognise(checkpoint)
    if purpose not in info.backbone_for:
        raise ValueError(f"{info.path.name} is {info.description}; {needed} is needed.")
    return checkpoint, info


def _load(path, kind: str, backbone, dtype: torch.dtype) -> RewardModel:
    checkpoint = open_checkpoint(path)
    info = recognise(checkpoint)
    if backbone is None:
        kind = _choose(info, kind)
        if kind in _HEAD_AND_BACKBONE:
            raise ValueError(
                f"{info.path.name} is only the head of {kind}; choose its image encoder as the backbone as "
                f"well: {encoder_name(checkpoint) or _BACKBONE_FILES[kind]}."
            )
        return _ONE_FILE[kind].load(checkpoint, dtype)

    second = open_checkpoint(backbone)
    second_info = recognise(second)
    if info.needs_backbone and second_info.needs_backbone:
        raise ValueError(
            f"{info.path.name} and {second_info.path.name} are both heads; the backbone must be an image encoder."
        )
    if second_info.needs_backbone:
        log.info("%s is the head and %s its backbone; taken in that order", second_info.path.name, info.path.name)
        checkpoint, info, second, second_info = second, second_info, checkpoint, info
    kind = _choose(info, kind)
    if kind in _ONE_FILE:
        raise ValueError(f"{kind} is complete in {info.path.name}; load it without a backbone.")
    if kind not in second_info.backbone_for:
        raise ValueError(
            f"{second_info.path.name} ({second_info.description}) is not the image encoder of {kind}; "
            f"choose {_BACKBONE_FILES[kind]}."
        )
    return _HEAD_AND_BACKBONE[kind].load(checkpoint, second, dtype)


def _choose(info: RewardFileInfo, kind: str) -> str:
    """The reward to load the file as; refuses a choice its tensors contradict."""
    if not info.kinds:
        raise ValueError(
            f"{info.path.name} ({info.description}) is no reward by itself"
            + (f"; it can be the backbone of {' or '.join(info.backbone_for)}." if info.backbone_for else ".")
        )
    if kind == "auto":
        if info.kind is None:
            raise ValueError(
                f"{info.path.name} ({info.description}) can be {', '.join(info.kinds)}: their tensors are "
                "alike and the file name does not tell. Choose the kind."
            )
        log.info("%s: %s, taken as %s", info.path.name, info.description, info.kind)
        return info.kind
    if kind not in info.kinds:
        raise ValueError(f"{info.path.name} is not {kind}, but {info.description} ({' or '.join(info.kinds)}).")
    if info.kind not in (None, kind):
        log.warning("%s is loaded as %s although its name suggests %s", info.path.name, kind, info.kind)
    return kind
