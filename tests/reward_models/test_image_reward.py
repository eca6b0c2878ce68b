import pytest
import torch
from safetensors.torch import save_file

from reward_models import load_reward
from reward_models.bert_tokens import BertTokens
from tests.reward_models import small_checkpoints as small
from tests.reward_models.blip_originals import OriginalImageReward
from tests.reward_models.parity import SIZES, assert_parity, pictures

pytestmark = pytest.mark.numerical

PROMPTS = ["a red house, by the sea", "Birds"]
VOCABULARY = small.vocabulary_words()


def tokens_by_hand(words: list[list[str]], length: int = 35) -> tuple[torch.Tensor, torch.Tensor]:
    ids = [[VOCABULARY.index(word) for word in ["[CLS]", *sentence, "[SEP]"]] for sentence in words]
    mask = [[1] * len(row) + [0] * (length - len(row)) for row in ids]
    return torch.tensor([row + [0] * (length - len(row)) for row in ids]), torch.tensor(mask)


TOKENS = tokens_by_hand([["a", "red", "house", ",", "b", "##y", "t", "##h", "##e", "sea"], ["bird", "##s"]])


def original(weights):
    replica = OriginalImageReward(weights, vision_heads=4, text_heads=3, image_size=48)
    return lambda images, prompts: replica(images, *TOKENS)


@pytest.mark.parametrize("size", [*SIZES, (48, 48)])
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_matches_the_original_architecture(tmp_path, size, suffix):
    weights = small.image_reward(tmp_path / f"ImageReward.{suffix}")
    reward = load_reward(tmp_path / f"ImageReward.{suffix}")
    assert reward.name == "ImageReward"
    assert_parity(reward, original(weights), pictures(2, *size), PROMPTS)


def test_the_score_depends_on_the_prompt(tmp_path):
    small.image_reward(tmp_path / "ImageReward.pt")
    reward = load_reward(tmp_path / "ImageReward.pt")
    first, second = reward(pictures(1).expand(2, -1, -1, -1), PROMPTS)
    assert abs(float(first - second)) > 1e-3


def test_tokens_are_cut_and_padded_to_35(tmp_path):
    small.image_reward(tmp_path / "ImageReward.pt")
    tokenize = BertTokens(tmp_path / "vocab.txt", len(VOCABULARY) + 2, 35)
    ids, mask = tokenize(["sea " * 60, PROMPTS[1]])
    assert ids.shape == mask.shape == (2, 35)
    assert ids[0].tolist() == [2, *[VOCABULARY.index("sea")] * 33, 3]
    assert ids[1].tolist() == TOKENS[0][1].tolist()
    assert mask.tolist() == [[1] * 35, TOKENS[1][1].tolist()]


def test_vocabulary_lines_end_at_newlines_only(tmp_path):
    # Tokens may contain what Python counts as line boundaries.
    words = ["[PAD]", "x\u2028y", "\x85z", "a\x0cb", "c\x1cd", *VOCABULARY[1:]]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    ids, _ = BertTokens(tmp_path / "vocab.txt", len(words) + 2, 35)(["sea"])
    assert ids[0, :3].tolist() == [words.index(word) for word in ("[CLS]", "sea", "[SEP]")]


def test_missing_vocabulary_is_named_with_its_place(tmp_path, monkeypatch):
    small.image_reward(tmp_path / "ImageReward.pt")
    (tmp_path / "vocab.txt").unlink()
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    with pytest.raises(ValueError, match=f"vocab.txt of google-bert/bert-base-uncased and put it at {tmp_path}"):
        load_reward(tmp_path / "ImageReward.pt")


def test_vocabulary_in_the_hugging_face_cache_is_found(tmp_path, monkeypatch):
    small.image_reward(tmp_path / "ImageReward.pt")
    snapshot = tmp_path / "hub/models--google-bert--bert-base-uncased/snapshots/abc"
    snapshot.mkdir(parents=True)
    refs = tmp_path / "hub/models--google-bert--bert-base-uncased/refs"
    refs.mkdir()
    (refs / "main").write_text("abc")
    with_vocabulary = load_reward(tmp_path / "ImageReward.pt")(pictures(), PROMPTS)
    (tmp_path / "vocab.txt").rename(snapshot / "vocab.txt")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    torch.testing.assert_close(load_reward(tmp_path / "ImageReward.pt")(pictures(), PROMPTS), with_vocabulary)


@pytest.mark.parametrize("words", [VOCABULARY[:50], [word.replace("[CLS]", "cls") for word in VOCABULARY]])
def test_another_vocabulary_is_refused(tmp_path, words):
    small.image_reward(tmp_path / "ImageReward.pt")
    (tmp_path / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    with pytest.raises(ValueError, match="Use vocab.txt of bert-base-uncased"):
        load_reward(tmp_path / "ImageReward.pt")


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("blip.text_encoder.extra.weight", (3,), "1 unexpected: blip.text_encoder.extra.weight"),
        ("blip.visual_encoder.extra.weight", (3,), "1 unexpected: blip.visual_encoder.extra.weight"),
        ("itm_head.weight", (2, 3), "1 unexpected: itm_head.weight"),
        (
            "blip.visual_encoder.blocks.1.attn.proj.bias",
            None,
            "1 missing: encoder.layers.1.self_attn.projection",
        ),
        (
            "blip.text_encoder.encoder.layer.0.crossattention.self.key.weight",
            (24, 24),
            r"of another shape: .*key.weight \(24, 24\) instead of \(24, 32\)",
        ),
    ],
)
def test_every_key_is_accounted_for(tmp_path, name, shape, message):
    weights = small.image_reward(tmp_path / "ImageReward.safetensors")
    if shape is None:
        del weights[name]
    else:
        weights[name] = torch.zeros(shape)
    save_file(weights, tmp_path / "ImageReward.safetensors")
    with pytest.raises(ValueError, match=message):
        load_reward(tmp_path / "ImageReward.safetensors")
