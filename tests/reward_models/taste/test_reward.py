"""A taste as a reward, and its file."""

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPModel

from reward_models import inspect_reward_file, load_image_encoder, load_reward
from reward_models.checkpoint import open_checkpoint
from reward_models.encoder_signature import SIGNATURE_SIZE, encoder_signature, same_encoder
from reward_models.taste import Taste, save_taste
from reward_models.taste.head import TasteHead
from tests.reward_models import small_checkpoints as small
from tests.reward_models.parity import (
    assert_parity,
    clip_normalised,
    pictures,
    score_and_gradient,
    torchvision_like_crop,
)

pytestmark = pytest.mark.numerical
WRITERS = [small.huggingface_clip, small.open_clip_file, small.siglip]


def head_of(width, caution=1.0):
    generator = torch.Generator().manual_seed(3)
    weight = 4 + torch.randn(4, width, generator=generator)
    return TasteHead(torch.rand(width, generator=generator) * 0.1, weight, torch.randn(4, generator=generator), caution)


def taste_file(path, encoder, width=24, name="clip_vision/clip.safetensors"):
    save_taste(path, head_of(width), encoder_signature(open_checkpoint(encoder)), name, "learned")
    return path


@pytest.mark.parametrize("size", [(64, 64), (101, 70)])
def test_matches_the_formula_on_transformers_own_clip(tmp_path, size):
    weights = small.huggingface_clip(tmp_path / "clip.safetensors")
    clip = CLIPModel(CLIPConfig(**small.CLIP_CONFIG)).eval()
    clip.load_state_dict(weights)
    head = head_of(24)

    def embed(images):
        pixels = clip_normalised(torchvision_like_crop(images, 42))
        return F.normalize(clip.visual_projection(clip.vision_model(pixels).pooler_output), dim=-1)

    def reference(images):
        height, width = (round(side * 7 / 8) for side in images.shape[2:])
        seen = [images, images.flip(3), images[:, :, :height, :width], images.flip(3)[:, :, -height:, :width]]
        e = sum(embed(view) for view in seen) / 4
        logits = torch.stack([(e - head.centre) @ w + b for w, b in zip(head.weight, head.bias, strict=True)])
        return logits.mean(0) - logits.std(0)

    reward = Taste(load_image_encoder(tmp_path / "clip.safetensors"), head)
    assert_parity(reward, reference, pictures(2, *size))


@pytest.mark.parametrize("write", WRITERS)
def test_a_saved_taste_scores_as_before(tmp_path, write):
    write(tmp_path / "encoder.safetensors")
    encoder = load_image_encoder(tmp_path / "encoder.safetensors")
    before = Taste(encoder, head_of(encoder.embedding_size, 0.7), "mine")
    signature = encoder_signature(open_checkpoint(tmp_path / "encoder.safetensors"))
    save_taste(tmp_path / "mine.safetensors", before.head, signature, "encoder.safetensors", "learned")
    info = inspect_reward_file(tmp_path / "mine.safetensors")
    assert info.kinds == ("Taste",) and info.kind == "Taste" and info.needs_backbone
    after = load_reward(tmp_path / "mine.safetensors", backbone=tmp_path / "encoder.safetensors", recompute=True)
    assert after.name == before.name == "mine" and not after.needs_prompt
    scores, gradient = score_and_gradient(after, pictures())
    expected, expected_gradient = score_and_gradient(before, pictures())
    torch.testing.assert_close(scores, expected)
    torch.testing.assert_close(gradient, expected_gradient)
    assert gradient.abs().sum() > 0
    half = load_reward(tmp_path / "mine.safetensors", "Taste", tmp_path / "encoder.safetensors", torch.bfloat16)
    torch.testing.assert_close(half(pictures()), scores, rtol=0.1, atol=0.3)


def test_without_its_encoder_the_message_names_it(tmp_path):
    small.huggingface_clip(tmp_path / "clip.safetensors")
    path = taste_file(tmp_path / "mine.safetensors", tmp_path / "clip.safetensors")
    with pytest.raises(ValueError, match="only the head of Taste; .* as the backbone as well: clip_vision/clip"):
        load_reward(path)


def test_another_encoder_is_refused_before_it_is_loaded(tmp_path, monkeypatch):
    small.huggingface_clip(tmp_path / "clip.safetensors")
    small.siglip(tmp_path / "siglip.safetensors")
    other = {name: value * 1.05 for name, value in load_file(tmp_path / "clip.safetensors").items()}
    save_file(other, tmp_path / "tuned.safetensors")
    path = taste_file(tmp_path / "mine.safetensors", tmp_path / "clip.safetensors")
    from reward_models.taste import reward

    monkeypatch.setattr(reward, "load_encoder", None)
    for encoder in ("siglip", "tuned"):
        with pytest.raises(
            ValueError, match=f"another image encoder, clip_vision/clip.* nothing to {encoder}"
        ) as error:
            load_reward(path, backbone=tmp_path / f"{encoder}.safetensors")
        assert "\n" not in str(error.value)


def test_what_is_no_encoder_is_refused(tmp_path):
    small.huggingface_clip(tmp_path / "clip.safetensors")
    small.laion_head(tmp_path / "laion.pth")
    small.image_reward(tmp_path / "ImageReward.pt")
    path = taste_file(tmp_path / "mine.safetensors", tmp_path / "clip.safetensors")
    with pytest.raises(ValueError, match="both heads"):
        load_reward(path, backbone=tmp_path / "laion.pth")
    with pytest.raises(ValueError, match="is not the image encoder of Taste"):
        load_reward(path, backbone=tmp_path / "ImageReward.pt")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_rounded_weights_are_the_same_encoder(tmp_path, dtype):
    weights = small.huggingface_clip(tmp_path / "clip.safetensors", vision_only=True)
    save_file({name: value.to(dtype) for name, value in weights.items()}, tmp_path / "half.safetensors")
    first, second = (encoder_signature(open_checkpoint(tmp_path / f"{name}.safetensors")) for name in ("clip", "half"))
    assert first.shape == (SIGNATURE_SIZE,) and same_encoder(first, second) and not torch.equal(first, second)


def test_a_clip_has_one_signature_in_both_layouts(tmp_path):
    weights = small.huggingface_clip(tmp_path / "hf.safetensors", vision_only=True)
    renamed = {
        "visual.conv1.weight": weights["vision_model.embeddings.patch_embedding.weight"],
        **{
            name.replace("vision_model.encoder.layers", "visual.transformer.resblocks").replace("fc1", "c_fc"): value
            for name, value in weights.items()
            if name.endswith("mlp.fc1.weight")
        },
        "visual.ln_post.weight": weights["vision_model.post_layernorm.weight"],
        "visual.proj": weights["visual_projection.weight"].T.contiguous(),
    }
    save_file(renamed, tmp_path / "open.safetensors")
    first, second = (encoder_signature(open_checkpoint(tmp_path / f"{name}.safetensors")) for name in ("hf", "open"))
    assert torch.equal(first, second)


@pytest.mark.parametrize("write", WRITERS)
def test_other_weights_have_another_signature(tmp_path, write):
    write(tmp_path / "a.safetensors")
    weights = {name: value.clone() for name, value in load_file(tmp_path / "a.safetensors").items()}
    first = encoder_signature(open_checkpoint(tmp_path / "a.safetensors"))
    last = next(
        name for name in ("visual_projection.weight", "visual.proj", "vision_model.head.probe") if name in weights
    )
    # A fine-tune may leave both ends as they were.
    middle = [name for name in weights if "vis" in name and name.endswith(("mlp.fc1.weight", "mlp.c_fc.weight"))]
    for changed in (last, middle[len(middle) // 2]):
        value = weights[changed]
        save_file({**weights, changed: value + 0.05 * value.abs().max()}, tmp_path / "b.safetensors")
        assert not same_encoder(first, encoder_signature(open_checkpoint(tmp_path / "b.safetensors")))


DAMAGES = {
    "no centre": lambda t: t.pop("taste.centre"),
    "no caution": lambda t: t.pop("taste.caution"),
    "no encoder": lambda t: t.pop("taste.encoder"),
    "one head": lambda t: t.update({"taste.weight": t["taste.weight"][:1].clone(), "taste.bias": torch.zeros(1)}),
    "flat weight": lambda t: t.update({"taste.weight": torch.zeros(5)}),
    "long bias": lambda t: t.update({"taste.bias": torch.zeros(9)}),
    "long caution": lambda t: t.update({"taste.caution": torch.zeros(2)}),
    "short signature": lambda t: t.update({"taste.encoder": torch.zeros(2)}),
    "other width": lambda t: t.update({"taste.weight": torch.zeros(4, 7), "taste.centre": torch.zeros(7)}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused_in_one_line(tmp_path, damage):
    small.huggingface_clip(tmp_path / "clip.safetensors")
    tensors = load_file(taste_file(tmp_path / "mine.safetensors", tmp_path / "clip.safetensors"))
    DAMAGES[damage](tensors)
    save_file(tensors, tmp_path / "damaged.safetensors")
    with pytest.raises(ValueError, match="damaged|incomplete") as error:
        load_reward(tmp_path / "damaged.safetensors", backbone=tmp_path / "clip.safetensors")
    assert "\n" not in str(error.value) and "damaged.safetensors" in str(error.value)


@pytest.mark.parametrize("name", ["a\nb", "x" * 500, "\x1b[2J"])
def test_what_a_file_calls_its_encoder_cannot_spoil_the_message(tmp_path, name):
    small.huggingface_clip(tmp_path / "clip.safetensors")
    path = taste_file(tmp_path / "mine.safetensors", tmp_path / "clip.safetensors", name=name)
    with pytest.raises(ValueError) as error:
        load_reward(path)
    assert str(error.value).isprintable() and len(str(error.value)) < 300
