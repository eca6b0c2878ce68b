import pytest
import torch
from safetensors.torch import save_file
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tv
from transformers import SiglipConfig, SiglipModel

from reward_models import load_reward
from tests.reward_models import small_checkpoints as small
from tests.reward_models.parity import SIZES, assert_parity, eval_head, pictures


def reference(weights, head):
    """The published predictor: SigLIP's pooled output to unit length, then the head."""
    siglip = SiglipModel(SiglipConfig(**small.SIGLIP_CONFIG)).eval()
    siglip.load_state_dict(weights)

    def score(images):
        resized = tv.resize(images, [45, 45], InterpolationMode.BICUBIC, antialias=True)
        pooled = siglip.vision_model(pixel_values=(resized - 0.5) / 0.5).pooler_output
        return eval_head(head, "scoring_head.", pooled / pooled.norm(dim=-1, keepdim=True))

    return score


@pytest.mark.parametrize("size", SIZES)
def test_matches_the_published_formula(tmp_path, size):
    weights = small.siglip(tmp_path / "siglip.safetensors")
    head = small.aesthetic_v25_head(tmp_path / "head.pth")
    reward = load_reward(tmp_path / "head.pth", backbone=tmp_path / "siglip.safetensors")
    assert reward.name == "Aesthetic V2.5"
    assert_parity(reward, reference(weights, head), pictures(2, *size))


def test_image_encoder_alone_is_enough(tmp_path):
    weights = small.siglip(tmp_path / "siglip.safetensors")
    vision = {name: tensor for name, tensor in weights.items() if name.startswith("vision_model.")}
    save_file(vision, tmp_path / "vision.safetensors")
    (tmp_path / "siglip.json").rename(tmp_path / "vision.json")
    head = small.aesthetic_v25_head(tmp_path / "head.pth")
    reward = load_reward(tmp_path / "head.pth", backbone=tmp_path / "vision.safetensors")
    assert_parity(reward, reference(weights, head), pictures())


def test_half_precision_head_is_widened(tmp_path):
    weights = small.siglip(tmp_path / "siglip.safetensors")
    small.aesthetic_v25_head(tmp_path / "head.pth")
    half = {name: tensor.bfloat16() for name, tensor in torch.load(tmp_path / "head.pth").items()}
    torch.save(half, tmp_path / "half.pth")
    reward = load_reward(tmp_path / "half.pth", backbone=tmp_path / "siglip.safetensors")
    widened = {name: tensor.float() for name, tensor in half.items()}
    assert_parity(reward, reference(weights, widened), pictures())


def test_clip_as_backbone_is_refused(tmp_path):
    small.huggingface_clip(tmp_path / "clip.safetensors")
    small.aesthetic_v25_head(tmp_path / "head.pth")
    with pytest.raises(ValueError, match="not the image encoder of Aesthetic V2.5; choose SigLIP"):
        load_reward(tmp_path / "head.pth", backbone=tmp_path / "clip.safetensors")
