"""Quality Words called as ComfyUI calls it; in a workflow it runs in test_reward_nodes.py."""

import pytest
import torch

from tests.reward_models import small_checkpoints as small

CLIP = "reward_models/words.safetensors"


@pytest.fixture
def clip(host):
    path = host / "models" / "reward_models" / "words.safetensors"
    small.huggingface_clip(path)
    yield path
    for file in (path, path.with_suffix(".json")):
        file.unlink()


@pytest.fixture
def words(node_classes):
    return node_classes["GPER_QualityWords"]


def test_lines_are_pairs_and_empty_ones_do_not_count(words, clip):
    with torch.inference_mode():
        reward = words.execute(CLIP, "Good photo.\n\n Warm photo.\n", "Bad photo.\nCold photo.")[0]
        singles = [
            words.execute(CLIP, *pair)[0] for pair in (("Good photo.", "Bad photo."), ("Warm photo.", "Cold photo."))
        ]
    pictures = torch.rand(2, 3, 48, 64, requires_grad=True)
    scores = reward.model(pictures)
    torch.testing.assert_close(scores, sum(single.model(pictures) for single in singles) / 2)
    assert torch.autograd.grad(scores.sum(), pictures)[0].flatten(1).norm(dim=1).min() > 0
    assert reward.model.name == "words: Good photo, ..." and reward.patchers[0].model is reward.model


def test_other_words_or_another_file_run_it_again(words, clip):
    first = words.fingerprint_inputs(CLIP, "Good photo.", "Bad photo.")
    assert words.fingerprint_inputs(CLIP, "Warm photo.", "Bad photo.") != first
    clip.with_suffix(".json").write_text("{}")
    assert words.fingerprint_inputs(CLIP, "Good photo.", "Bad photo.") != first


@pytest.mark.parametrize(
    "wanted, unwanted, message",
    [
        (" \n", "Bad photo.", "wanted has no words"),
        ("Good photo.\nWarm photo.", "Bad photo.", "wanted has 2 and unwanted has 1 lines"),
        ("Good photo.", "Good photo.", "both say 'Good photo.'"),
    ],
)
def test_words_are_checked_before_a_file_is_read(words, host, wanted, unwanted, message):
    broken = host / "models" / "reward_models" / "broken.safetensors"
    broken.write_bytes(b"x")
    try:
        with pytest.raises(ValueError, match=message):
            words.execute("reward_models/broken.safetensors", wanted, unwanted)
    finally:
        broken.unlink()


def test_without_a_file_it_says_where_to_put_one(words):
    from gper_pack.nodes.rewards.reward_files import NO_ENCODER

    with pytest.raises(ValueError, match="put one into models/clip_vision"):
        words.execute(NO_ENCODER)
