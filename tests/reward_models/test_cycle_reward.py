import pytest
import torch
from safetensors.torch import save_file

from reward_models import inspect_reward_file, load_reward
from reward_models.bert_tokens import BertTokens
from tests.reward_models import small_checkpoints as small
from tests.reward_models.blip_originals import OriginalCycleReward
from tests.reward_models.parity import SIZES, assert_parity, pictures

pytestmark = pytest.mark.numerical

VOCABULARY = small.vocabulary_words()
LONG = "a red house " * 20  # 60 tokens: more than ImageReward reads
PROMPTS = [LONG, "birds"]


def tokens_by_hand(*sentences, length=128):
    rows = [["[CLS]", *words, "[SEP]"] for words in sentences]
    ids = [[VOCABULARY.index(word) for word in row] + [0] * (length - len(row)) for row in rows]
    return torch.tensor(ids), torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows])


TOKENS = tokens_by_hand(LONG.split(), ["bird", "##s"])


@pytest.mark.parametrize("size", [*SIZES, (48, 48)])
def test_matches_the_original_architecture(tmp_path, size):
    path = tmp_path / f"CycleReward-Combo.{'pth' if size[0] > size[1] else 'safetensors'}"
    original = OriginalCycleReward(small.cycle_reward(path), vision_heads=4, text_heads=3, image_size=48)
    reward = load_reward(path)
    assert reward.name == "CycleReward"
    assert_parity(reward, lambda images, prompts: original(images, *TOKENS), pictures(2, *size), PROMPTS)


def test_tokens_are_cut_and_padded_to_128(tmp_path):
    small.cycle_reward(tmp_path / "CycleReward-Combo.pth")
    ids, mask = BertTokens(tmp_path / "vocab.txt", len(VOCABULARY) + 2, 128)([*PROMPTS, "sea " * 200])
    assert torch.equal(ids[:2], TOKENS[0]) and torch.equal(mask[:2], TOKENS[1])
    assert ids[2].tolist() == [2, *[VOCABULARY.index("sea")] * 126, 3] and mask[2].tolist() == [1] * 128


@pytest.mark.parametrize("cut, counts", [(100, True), (126, False)])
def test_words_count_up_to_the_last_token(tmp_path, cut, counts):
    small.cycle_reward(tmp_path / "CycleReward-Combo.pth")
    reward = load_reward(tmp_path / "CycleReward-Combo.pth")
    same, other = (reward(pictures(1), "sea " * cut + word) for word in ("", "house bird"))
    assert (float((same - other).abs()) > 1e-5) == counts


def test_is_told_from_imagereward_whatever_the_file_is_called(tmp_path):
    """The two have the same tensors, but for the number of the last layer."""
    small.cycle_reward(tmp_path / "ImageReward.pt")
    small.image_reward(tmp_path / "CycleReward-Combo.pth")
    assert inspect_reward_file(tmp_path / "ImageReward.pt").kinds == ("CycleReward",)
    assert inspect_reward_file(tmp_path / "CycleReward-Combo.pth").kinds == ("ImageReward",)
    with pytest.raises(ValueError, match="ImageReward.pt is not ImageReward, but CycleReward"):
        load_reward(tmp_path / "ImageReward.pt", "ImageReward")


def test_missing_vocabulary_is_named_with_its_place(tmp_path, monkeypatch):
    small.cycle_reward(tmp_path / "CycleReward-Combo.pth")
    (tmp_path / "vocab.txt").unlink()
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    with pytest.raises(ValueError, match="CycleReward reads prompts with the vocabulary of bert-base-uncased"):
        load_reward(tmp_path / "CycleReward-Combo.pth")


@pytest.mark.parametrize(
    "name, shape, message",
    [
        ("mlp.layers.6.bias", None, "lacks 1 of the head's tensors, e.g. mlp.layers.6.bias"),
        ("mlp.layers.4.weight", (8, 11), "layer mlp.layers.4 of the head has shape"),
        ("blip.text_encoder.pooler.dense.weight", (24, 24), "1 unexpected: blip.text_encoder.pooler.dense.weight"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, name, shape, message):
    weights = small.cycle_reward(tmp_path / "cycle.safetensors")
    if shape is None:
        del weights[name]
    else:
        weights[name] = torch.zeros(shape)
    save_file(weights, tmp_path / "cycle.safetensors")
    with pytest.raises(ValueError, match=message):
        load_reward(tmp_path / "cycle.safetensors")
