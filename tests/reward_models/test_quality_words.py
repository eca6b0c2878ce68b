import pytest
import torch
from open_clip import tokenize
from open_clip.model import CLIP
from transformers import CLIPConfig, CLIPModel

from reward_models import QualityWords, check_word_pairs, load_whole_clip
from tests.reward_models import small_checkpoints as small
from tests.reward_models.parity import (
    SIZES,
    assert_parity,
    clip_normalised,
    pictures,
    processor_like_crop,
    score_and_gradient,
)

pytestmark = pytest.mark.numerical

# CLIP-IQA's own, and two of nobody's.
WANTED, UNWANTED = ["Good photo.", "a red house by the sea"], ["Bad photo.", "birds"]


def probability(logits):
    """(B, 2 P) logits, wanted and unwanted in turn, to the mean (B,) of the P probabilities."""
    return logits.unflatten(1, (-1, 2)).softmax(dim=-1)[..., 0].mean(dim=1)


def phrases():
    return tokenize([phrase for pair in zip(WANTED, UNWANTED, strict=True) for phrase in pair])


@pytest.mark.parametrize("size", [*SIZES, (42, 89)])
def test_is_the_softmax_of_the_logits_of_transformers(tmp_path, size):
    weights = small.huggingface_clip(tmp_path / "clip.safetensors")
    clip = CLIPModel(CLIPConfig(**small.CLIP_CONFIG)).eval()
    clip.load_state_dict(weights)

    def reference(images):
        pixels = clip_normalised(processor_like_crop(images, 42))
        return probability(clip(input_ids=phrases(), pixel_values=pixels).logits_per_image)

    reward = QualityWords(load_whole_clip(tmp_path / "clip.safetensors"), WANTED, UNWANTED)
    assert_parity(reward, reference, pictures(2, *size))


def test_is_the_softmax_of_the_logits_of_open_clip(tmp_path):
    weights = small.open_clip_file(tmp_path / "clip.pt")
    clip = CLIP(**small.OPEN_CLIP_CONFIG).eval()
    clip.load_state_dict(weights)

    def reference(images):
        image = clip.encode_image(clip_normalised(processor_like_crop(images, 42)), normalize=True)
        return probability(clip.logit_scale.exp() * image @ clip.encode_text(phrases(), normalize=True).T)

    reward = QualityWords(load_whole_clip(tmp_path / "clip.pt"), WANTED, UNWANTED)
    assert_parity(reward, reference, pictures())


@pytest.mark.parametrize("write", [small.huggingface_clip, small.open_clip_file])
def test_the_words_are_encoded_once_and_their_encoder_is_freed(tmp_path, write):
    write(tmp_path / "clip.safetensors")
    images = pictures()
    reward, swapped = (
        QualityWords(load_whole_clip(tmp_path / "clip.safetensors"), *pair)
        for pair in ((WANTED[:1], UNWANTED[:1]), (UNWANTED[:1], WANTED[:1]))
    )
    torch.testing.assert_close(reward(images), 1 - swapped(images))
    large = 49408 * 32  # the table of tokens, the largest tensor of the text tower
    assert all(tensor.numel() < large for tensor in reward.state_dict().values())
    with pytest.raises((AttributeError, ValueError)):
        reward.clip.embed_prompts(["birds"])


def test_can_take_part_in_backward_when_made_under_inference_mode(tmp_path):
    small.huggingface_clip(tmp_path / "clip.safetensors")
    with torch.inference_mode():
        reward = QualityWords(load_whole_clip(tmp_path / "clip.safetensors"), WANTED, UNWANTED)
    scores, gradient = score_and_gradient(reward, pictures())
    assert gradient.flatten(1).norm(dim=1).min() > 0 and ((scores > 0) & (scores < 1)).all()


@pytest.mark.parametrize(
    "wanted, name", [(["Warm  photo."], "words: Warm photo"), (["x" * 50, "y"], f"words: {'x' * 40}, ...")]
)
def test_is_named_after_the_wanted_words(tmp_path, wanted, name):
    small.huggingface_clip(tmp_path / "clip.safetensors")
    clip = load_whole_clip(tmp_path / "clip.safetensors")
    assert QualityWords(clip, wanted, ["birds"] * len(wanted)).name == name


@pytest.mark.parametrize(
    "wanted, unwanted, message",
    [
        ([], ["Bad photo."], "wanted has no words"),
        (["Good photo."], [], "unwanted has no words"),
        (["Good photo.", "Warm photo."], ["Bad photo."], "wanted has 2 and unwanted has 1 lines"),
        (["Good photo."], ["good photo."], "both say 'Good photo.'"),
    ],
)
def test_words_without_an_opposite_are_refused(wanted, unwanted, message):
    with pytest.raises(ValueError, match=message):
        check_word_pairs(wanted, unwanted)


@pytest.mark.parametrize(
    "write, description",
    [
        (
            lambda path: small.huggingface_clip(path, vision_only=True),
            "CLIP of width 48, Hugging Face",
        ),
        (small.siglip, "SigLIP"),
        (small.cycle_reward, "CycleReward"),
        (small.laion_head, "LAION Aesthetic V2 head"),
    ],
)
def test_a_file_without_both_encoders_is_refused(tmp_path, write, description):
    write(tmp_path / "file.safetensors")
    with pytest.raises(ValueError, match=f"file.safetensors is {description}.*of images and of words is needed"):
        load_whole_clip(tmp_path / "file.safetensors")
