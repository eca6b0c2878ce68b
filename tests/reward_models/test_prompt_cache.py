import pytest
import torch

from reward_models import load_reward
from reward_models.prompt_cache import PromptCache
from tests.reward_models import small_checkpoints as small
from tests.reward_models.parity import PROMPTS, pictures

pytestmark = pytest.mark.numerical


class Lengths:
    """Encodes a prompt as its length; remembers what it was asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, prompts):
        self.asked += prompts
        return torch.tensor([[float(len(prompt))] for prompt in prompts])


def test_each_prompt_is_encoded_once_and_returned_in_order():
    cache, encode = PromptCache(), Lengths()
    assert cache.embed(["a", "bbb", "a"], torch.float32, encode).tolist() == [[1], [3], [1]]
    assert cache.embed(["bbb", "cc"], torch.float32, encode).tolist() == [[3], [2]]
    assert encode.asked == ["a", "bbb", "cc"]


def test_another_precision_is_encoded_anew():
    cache, encode = PromptCache(), Lengths()
    cache.embed(["a"], torch.float32, encode)
    cache.embed(["a"], torch.bfloat16, encode)
    assert encode.asked == ["a", "a"]


def test_the_least_recently_used_prompt_is_forgotten():
    cache, encode = PromptCache(capacity=2), Lengths()
    for prompts in (["a"], ["b"], ["a"], ["c"], ["a"], ["b"]):
        cache.embed(prompts, torch.float32, encode)
    assert encode.asked == ["a", "b", "c", "b"]
    assert cache.embed(["x", "y", "z"], torch.float32, encode).shape == (3, 1)


def test_a_prompt_first_seen_under_inference_mode_serves_a_later_backward(tmp_path):
    small.huggingface_clip(tmp_path / "clip.safetensors")
    with torch.inference_mode():
        reward = load_reward(tmp_path / "clip.safetensors")
        first = reward(pictures(), PROMPTS)
        assert not reward.backbone.embed_prompts(PROMPTS).is_inference()
    images = pictures().requires_grad_()
    scores = reward(images, PROMPTS)
    scores.sum().backward()
    torch.testing.assert_close(scores.detach(), first.clone())
    assert images.grad.abs().sum() > 0
