import os
from pathlib import Path

import pytest
import torch
from open_clip.model import CLIP
from transformers import CLIPConfig, CLIPModel

from reward_models import load_reward
from reward_models.affine_head import load_affine_head
from reward_models.checkpoint import open_checkpoint
from tests.reward_models import small_checkpoints as small
from tests.reward_models.parity import (
    SIZES,
    assert_parity,
    clip_normalised,
    eval_head,
    pictures,
    torchvision_like_crop,
)

pytestmark = pytest.mark.numerical


def published_head_path() -> Path:
    if "LAION_AESTHETIC_HEAD" in os.environ:
        return Path(os.environ["LAION_AESTHETIC_HEAD"])
    comfyui = Path(os.environ.get("COMFYUI_PATH", "~/ComfyUI").split(os.pathsep)[0]).expanduser()
    return comfyui / "models" / "reward_models" / "sac+logos+ava1-l14-linearMSE.pth"


def reference(embed, head):
    def score(images):
        embedding = embed(clip_normalised(torchvision_like_crop(images, 42)))
        return eval_head(head, "layers.", embedding / embedding.norm(dim=-1, keepdim=True))

    return score


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("vision_only", [False, True])
def test_huggingface_backbone_matches_the_published_formula(tmp_path, size, vision_only):
    weights = small.huggingface_clip(tmp_path / "clip.safetensors", vision_only=vision_only)
    head = small.laion_head(tmp_path / "head.pth")
    clip = CLIPModel(CLIPConfig(**small.CLIP_CONFIG)).eval()
    clip.load_state_dict(weights, strict=False)

    def embed(pixels):
        return clip.visual_projection(clip.vision_model(pixels).pooler_output)

    reward = load_reward(tmp_path / "head.pth", backbone=tmp_path / "clip.safetensors")
    assert reward.name == "LAION Aesthetic V2"
    assert_parity(reward, reference(embed, head), pictures(2, *size))


@pytest.mark.parametrize("size", SIZES[:2])
def test_open_clip_backbone_matches_the_published_formula(tmp_path, size):
    weights = small.open_clip_file(tmp_path / "clip.pt")
    head = small.laion_head(tmp_path / "head.safetensors")
    clip = CLIP(**small.OPEN_CLIP_CONFIG).eval()
    clip.load_state_dict(weights)
    reward = load_reward(tmp_path / "head.safetensors", backbone=tmp_path / "clip.pt")
    assert_parity(reward, reference(clip.encode_image, head), pictures(2, *size))


def test_head_and_backbone_may_be_given_in_either_order(tmp_path):
    small.huggingface_clip(tmp_path / "clip.safetensors")
    small.laion_head(tmp_path / "head.pth")
    straight = load_reward(tmp_path / "head.pth", backbone=tmp_path / "clip.safetensors")
    swapped = load_reward(tmp_path / "clip.safetensors", "LAION Aesthetic V2", tmp_path / "head.pth")
    torch.testing.assert_close(straight(pictures()), swapped(pictures()))


def test_backbone_of_another_width_is_refused(tmp_path):
    small.huggingface_clip(tmp_path / "clip.safetensors")
    small.laion_head(tmp_path / "head.pth", width=20)
    with pytest.raises(ValueError, match="embeddings of 20 values, but clip.safetensors makes 24"):
        load_reward(tmp_path / "head.pth", backbone=tmp_path / "clip.safetensors")


@pytest.mark.skipif(not published_head_path().is_file(), reason="the published LAION head is not on this machine")
def test_published_head_folds_to_its_known_affine_map():
    path = published_head_path()
    head = load_affine_head(open_checkpoint(path), "layers.", (0, 2, 4, 6, 7))
    assert head.weight.shape == (1, 768)
    assert float(head.weight.double().norm()) == pytest.approx(17.996, abs=5e-4)
    assert float(head.bias) == pytest.approx(5.2366, abs=5e-5)
    embedding = torch.nn.functional.normalize(torch.randn(8, 768, generator=torch.Generator().manual_seed(0)))
    weights = torch.load(path, map_location="cpu", weights_only=True)
    torch.testing.assert_close(head(embedding), eval_head(weights, "layers.", embedding), rtol=1e-5, atol=1e-5)
