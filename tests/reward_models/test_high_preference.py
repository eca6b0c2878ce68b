import shutil

import pytest
import torch
from transformers import CLIPConfig, CLIPModel

from reward_models import inspect_reward_file, load_image_encoder, load_reward
from tests.reward_models import small_checkpoints as small
from tests.reward_models.parity import SIZES, assert_parity, clip_normalised, eval_head, pictures, processor_like_crop

pytestmark = pytest.mark.numerical


@pytest.fixture
def hp(tmp_path):
    """The two files, and their weights."""
    weights = small.hp(tmp_path)
    return tmp_path / "hp_scorer/mlp_pytorch_model.bin", tmp_path / "hp_backbone/pytorch_model.bin", weights


@pytest.mark.parametrize("size", [*SIZES, (42, 89)])
def test_matches_the_formula_of_its_authors(hp, size):
    scorer, backbone, (head, encoder) = hp
    clip = CLIPModel(CLIPConfig(**small.HP_CLIP_CONFIG)).eval()
    clip.load_state_dict(encoder)

    def reference(images):
        features = clip.get_image_features(clip_normalised(processor_like_crop(images, 42)))
        # transformers 5 returns the projected features as `pooler_output`; they are not brought to unit length.
        return torch.sigmoid(eval_head(head, "layers.", getattr(features, "pooler_output", features)))

    reward = load_reward(scorer, backbone=backbone)
    assert reward.name == "HP" and not reward.needs_prompt
    assert_parity(reward, reference, pictures(2, *size))


def test_the_files_may_be_given_in_either_order(hp):
    scorer, backbone, _ = hp
    torch.testing.assert_close(
        load_reward(scorer, backbone=backbone)(pictures()), load_reward(backbone, "HP", scorer)(pictures())
    )


@pytest.mark.parametrize("path", ["hp_backbone.bin", "HP-ViT-H-14.bin", "renamed.bin"])
def test_the_encoder_may_be_renamed(hp, tmp_path, path):
    scorer, backbone, _ = hp
    for suffix in (".bin", ".json"):
        shutil.copy(backbone.with_suffix(suffix), (tmp_path / path).with_suffix(suffix))
    assert load_reward(scorer, backbone=tmp_path / path).name == "HP"


@pytest.mark.parametrize("name", ["CLIP-ViT-H-14-laion2B-s32B-b79K", "PickScore_v1", "HPS_v2.1", "ICT"])
def test_another_clip_of_the_same_shapes_is_refused_by_its_name(hp, tmp_path, name):
    """HP's encoder was trained with its head: on the original CLIP the score would mean nothing."""
    scorer, _, _ = hp
    small.huggingface_clip(tmp_path / f"{name}.safetensors", small.HP_CLIP_CONFIG)
    with pytest.raises(ValueError, match="is not the image encoder of HP; choose the CLIP published with it"):
        load_reward(scorer, backbone=tmp_path / f"{name}.safetensors")


def test_the_encoder_alone_says_what_it_is_for(hp):
    scorer, backbone, _ = hp
    info = inspect_reward_file(backbone)
    assert "HP" in info.backbone_for and info.kinds == ()
    with pytest.raises(ValueError, match="is no reward by itself; it can be the backbone of .*HP"):
        load_reward(backbone)
    with pytest.raises(ValueError, match="mlp_pytorch_model.bin is only the head of HP; .*hp_backbone/pytorch_model"):
        load_reward(scorer)
    assert load_image_encoder(backbone).embedding_size == 1024


@pytest.mark.parametrize("width, kind", [(1024, "HP"), (768, "LAION Aesthetic V2")])
def test_the_width_tells_the_head_from_laion_s(tmp_path, width, kind):
    small.laion_head(tmp_path / "head.pth", width)
    info = inspect_reward_file(tmp_path / "head.pth")
    assert (info.description, info.kinds, info.kind) == (f"{kind} head", (kind,), kind)
