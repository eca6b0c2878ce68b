import json
import logging

import pytest
import torch
from safetensors.torch import save_file

from reward_models import KINDS, inspect_reward_file, load_reward
from tests.reward_models import small_checkpoints as small
from tests.reward_models.parity import PROMPTS, pictures

pytestmark = pytest.mark.numerical


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("PickScore_v1/model", "PickScore"),
        ("pickscore-fp32", "PickScore"),
        ("HPS_v2_compressed", "HPS v2"),
        ("hpsv2", "HPS v2"),
        ("HPS_v2.1_compressed", "HPS v2.1"),
        ("hps_v2_1", "HPS v2.1"),
        ("CLIP-ViT-H-14-laion2B-s32B-b79K", "CLIPScore"),
        ("CLIP-ViT-H-14-laion2B-s32B-b79K/open_clip_pytorch_model", "CLIPScore"),
        ("ICT/pytorch_model", "ICT"),
        ("ict-fp32", "ICT"),
        ("mystery", None),
        ("chips", None),
        ("picture", None),
        ("PickScore_v1/mystery", None),
    ],
)
def test_file_name_decides_where_the_tensors_are_alike(tmp_path, caplog, name, kind):
    path = tmp_path / f"{name}.safetensors"
    small.huggingface_clip(path)
    info = inspect_reward_file(path)
    assert info.kind == kind
    assert set(info.kinds) == {"PickScore", "HPS v2", "HPS v2.1", "ICT", "CLIPScore"}
    assert not info.needs_backbone
    caplog.set_level(logging.INFO)
    if kind is None:
        with pytest.raises(ValueError, match="can be PickScore, HPS v2, HPS v2.1, ICT, CLIPScore.*Choose the kind"):
            load_reward(path)
    else:
        assert load_reward(path).name == kind
        assert f"taken as {kind}" in caplog.text


def test_chosen_kind_beats_the_name_with_a_warning(tmp_path, caplog):
    small.huggingface_clip(tmp_path / "PickScore.safetensors")
    assert load_reward(tmp_path / "PickScore.safetensors", "CLIPScore").name == "CLIPScore"
    assert "loaded as CLIPScore although its name suggests PickScore" in caplog.text


def test_heads_say_that_they_need_a_backbone(tmp_path):
    small.laion_head(tmp_path / "laion.pth")
    small.aesthetic_v25_head(tmp_path / "v25.pth")
    for name, kind in (("laion.pth", "LAION Aesthetic V2"), ("v25.pth", "Aesthetic V2.5")):
        info = inspect_reward_file(tmp_path / name)
        assert (info.kind, info.needs_backbone) == (kind, True)
        with pytest.raises(ValueError, match=f"{name} is only the head of {kind}; choose its image encoder"):
            load_reward(tmp_path / name)


def test_inspection_tells_what_a_backbone_serves(tmp_path):
    small.huggingface_clip(tmp_path / "vision.safetensors", vision_only=True)
    small.siglip(tmp_path / "siglip.safetensors")
    assert "LAION Aesthetic V2" in inspect_reward_file(tmp_path / "vision.safetensors").backbone_for
    assert "Aesthetic V2.5" in inspect_reward_file(tmp_path / "siglip.safetensors").backbone_for
    with pytest.raises(ValueError, match="no reward by itself; it can be the backbone of LAION Aesthetic V2"):
        load_reward(tmp_path / "vision.safetensors")


def test_two_heads_are_refused(tmp_path):
    small.laion_head(tmp_path / "laion.pth")
    small.aesthetic_v25_head(tmp_path / "v25.pth")
    with pytest.raises(ValueError, match="laion.pth and v25.pth are both heads"):
        load_reward(tmp_path / "laion.pth", backbone=tmp_path / "v25.pth")


def test_superfluous_backbone_is_refused(tmp_path):
    small.huggingface_clip(tmp_path / "clip.safetensors")
    small.siglip(tmp_path / "siglip.safetensors")
    with pytest.raises(ValueError, match="CLIPScore is complete in clip.safetensors; load it without a backbone"):
        load_reward(tmp_path / "clip.safetensors", backbone=tmp_path / "siglip.safetensors")


def test_siglip_below_a_laion_head_is_refused(tmp_path):
    small.laion_head(tmp_path / "laion.pth")
    small.siglip(tmp_path / "siglip.safetensors")
    with pytest.raises(ValueError, match="not the image encoder of LAION Aesthetic V2; choose CLIP ViT-L/14"):
        load_reward(tmp_path / "laion.pth", backbone=tmp_path / "siglip.safetensors")


@pytest.mark.parametrize("kind", ["ImageReward", "LAION Aesthetic V2"])
def test_a_kind_the_tensors_contradict_is_refused(tmp_path, kind):
    small.huggingface_clip(tmp_path / "clip.safetensors")
    with pytest.raises(ValueError, match=f"clip.safetensors is not {kind}, but CLIP of width 48"):
        load_reward(tmp_path / "clip.safetensors", kind)


def test_vision_only_clip_cannot_read_prompts(tmp_path):
    small.huggingface_clip(tmp_path / "clip.safetensors", vision_only=True)
    with pytest.raises(ValueError, match="image encoder alone"):
        load_reward(tmp_path / "clip.safetensors", "CLIPScore")


def test_unknown_kind_lists_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match="choose auto or one of " + ", ".join(KINDS)):
        load_reward(tmp_path / "clip.safetensors", "VQAScore")


def test_relu_head_is_refused_with_the_reason(tmp_path):
    small.head(tmp_path / "ava+logos-l14-reluMSE.pth", "layers.", (0, 3, 6, 9, 11), 24)
    with pytest.raises(ValueError, match="ReLU variant"):
        inspect_reward_file(tmp_path / "ava+logos-l14-reluMSE.pth")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["text_model.encoder.layers.0.mlp.fc1.weight"], "text encoder alone"),
        (["model.diffusion_model.input_blocks.0.0.weight"], "image generator"),
        (["conv.weight", "conv.bias"], "first tensors are: conv.bias, conv.weight"),
        (
            ["visual.conv1.weight", "visual.attnpool.positional_embedding"],
            "encoder is a ResNet, .* not supported",
        ),
        (["layers.0.weight", "layers.9.weight"], "layers are not 0, 2, 4, 6 and 7 alone"),
    ],
)
def test_unknown_layouts_are_explained(tmp_path, names, message):
    save_file({name: torch.ones(2) for name in names}, tmp_path / "file.safetensors")
    with pytest.raises(ValueError, match=message):
        inspect_reward_file(tmp_path / "file.safetensors")


def test_missing_unexpected_and_misshaped_keys_are_counted_and_listed(tmp_path):
    weights = small.huggingface_clip(tmp_path / "clip.safetensors")
    for layer in (0, 1):
        for part in ("weight", "bias"):
            del weights[f"text_model.encoder.layers.{layer}.layer_norm1.{part}"]
    weights["extra"] = torch.ones(1)
    weights["visual_projection.weight"] = weights["visual_projection.weight"][:, :40].contiguous()
    save_file(weights, tmp_path / "clip.safetensors")
    with pytest.raises(ValueError) as refusal:
        load_reward(tmp_path / "clip.safetensors")
    message = str(refusal.value)
    assert "4 missing: text_model.encoder.layers.0.layer_norm1." in message
    assert message.count("layer_norm1") == 3 and ", ..." in message
    assert "1 unexpected: extra" in message
    assert "1 of another shape: visual_projection.weight (24, 40) instead of (24, 48)" in message


@pytest.mark.parametrize("write", [small.huggingface_clip, small.open_clip_file])
def test_unpublished_sizes_need_a_configuration(tmp_path, write):
    write(tmp_path / "clip.safetensors")
    (tmp_path / "clip.json").unlink()
    with pytest.raises(ValueError, match="Put it into clip.json beside the file"):
        load_reward(tmp_path / "clip.safetensors")


def test_configuration_beside_the_file_in_a_hugging_face_folder(tmp_path):
    small.huggingface_clip(tmp_path / "clip" / "model.safetensors")
    (tmp_path / "clip" / "model.json").rename(tmp_path / "clip" / "config.json")
    assert load_reward(tmp_path / "clip" / "model.safetensors").name == "CLIPScore"


def test_the_configuration_beside_the_file_decides(tmp_path):
    small.huggingface_clip(tmp_path / "clip.safetensors")
    as_filed = load_reward(tmp_path / "clip.safetensors")
    fields = json.loads((tmp_path / "clip.json").read_text())
    fields["text_config"]["num_attention_heads"] = 2
    (tmp_path / "clip.json").write_text(json.dumps(fields))
    two_heads = load_reward(tmp_path / "clip.safetensors")
    assert (two_heads(pictures(), PROMPTS) - as_filed(pictures(), PROMPTS)).abs().max() > 1e-4


@pytest.mark.parametrize("contents", ["{", "[1, 2]"])
def test_broken_configuration_is_named(tmp_path, contents):
    small.huggingface_clip(tmp_path / "clip.safetensors")
    (tmp_path / "clip.json").write_text(contents)
    with pytest.raises(ValueError, match="clip.json (is not valid JSON|must hold a JSON object)"):
        load_reward(tmp_path / "clip.safetensors")


def test_old_files_with_position_ids_load(tmp_path):
    weights = small.huggingface_clip(tmp_path / "clip.safetensors")
    expected = load_reward(tmp_path / "clip.safetensors")(pictures(), PROMPTS)
    weights["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    weights["vision_model.embeddings.position_ids"] = torch.arange(10)[None]
    torch.save(weights, tmp_path / "clip.bin")
    torch.testing.assert_close(load_reward(tmp_path / "clip.bin")(pictures(), PROMPTS), expected)


def test_wrong_vocabulary_is_refused(tmp_path):
    weights = small.huggingface_clip(tmp_path / "clip.safetensors")
    table = "text_model.embeddings.token_embedding.weight"
    weights[table] = weights[table][:1000].contiguous()
    save_file(weights, tmp_path / "clip.safetensors")
    with pytest.raises(ValueError, match="vocabulary of 1000 tokens; CLIP's tokenizer has 49408"):
        load_reward(tmp_path / "clip.safetensors")


@pytest.mark.parametrize("name", ["clip.pt", "clip.safetensors"])
def test_loaded_weights_are_frozen_independent_of_the_file_and_in_eval_mode(tmp_path, name):
    small.open_clip_file(tmp_path / name)
    reward = load_reward(tmp_path / name)
    assert not reward.training
    assert not any(parameter.requires_grad for parameter in reward.parameters())
    assert not any(tensor.is_meta for tensor in [*reward.parameters(), *reward.buffers()])
    with open(tmp_path / name, "r+b") as file:
        file.write(bytes((tmp_path / name).stat().st_size))
    assert all(parameter.abs().sum() > 0 for parameter in reward.parameters())
