import math

import pytest
import torch
from torch import nn

from reward_models import RewardModel
from tests.reward_models.parity import pictures

pytestmark = pytest.mark.numerical


class RedOfPrompt(RewardModel):
    """Mean red value times the length of the prompt."""

    name = "red"
    needs_prompt = True

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))

    def score(self, images, prompts):
        lengths = torch.tensor([float(len(prompt)) for prompt in prompts], device=images.device)
        return self.gain * images[:, 0].mean(dim=(1, 2)) * lengths


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.rand(3, 32, 32), r"shape \(batch, 3, height, width\); got \(3, 32, 32\)"),
        ("picture.png", "got str"),
        (torch.rand(1, 4, 32, 32), "drop the alpha channel"),
        (torch.rand(1, 32, 32, 3), r"permute\(0, 3, 1, 2\)"),
        (torch.rand(1, 1, 32, 32), "3 channels"),
        (torch.rand(0, 3, 32, 32), "empty"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), "Divide 8-bit images by 255"),
        (torch.rand(1, 3, 32, 8), "8x32 pixels; at least 16x16"),
        (torch.rand(1, 3, 32, 32) * 255, r"0..255 by x / 255"),
        (torch.rand(1, 3, 32, 32) * 2 - 1, r"\[-1, 1\] by \(x \+ 1\) / 2"),
    ],
)
def test_wrong_images_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        RedOfPrompt()(images, "a")


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        (None, "no prompt was given"),
        (["a", "b", "c"], "3 prompts for 2 images"),
        (["a", ""], "a prompt is empty"),
        ("  ", "a prompt is empty"),
        (["a", 3], "must be strings|needs prompts that are strings"),
    ],
)
def test_wrong_prompts_are_refused(prompts, message):
    with pytest.raises(ValueError, match=message):
        RedOfPrompt()(pictures(2), prompts)


def test_prompts_are_broadcast_or_taken_per_image():
    images = pictures(2)
    red = images[:, 0].mean(dim=(1, 2))
    torch.testing.assert_close(RedOfPrompt()(images, "abc"), 3 * red)
    torch.testing.assert_close(RedOfPrompt()(images, ("ab", "a")), red * torch.tensor([2.0, 1.0]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_scores_are_float32_and_the_gradient_has_the_images_dtype(dtype):
    images = pictures(2).to(dtype).requires_grad_()
    scores = RedOfPrompt()(images, "a")
    assert scores.dtype == torch.float32
    scores.sum().backward()
    assert images.grad.dtype == dtype


def test_float64_images_keep_their_precision():
    assert RedOfPrompt().double()(pictures(2).double(), "a").dtype == torch.float64


def test_half_precision_weights_are_refused():
    with pytest.raises(ValueError, match="float16.*bfloat16 or float32"):
        RedOfPrompt().half()(pictures(2), "a")


def test_the_range_of_values_is_checked_every_time():
    reward = RedOfPrompt()
    for _ in range(2):
        reward(pictures(1), "a")
        with pytest.raises(ValueError, match="0..255 by x / 255"):
            reward(pictures(1) * 255, "a")


def test_values_that_are_not_finite_hide_no_wrong_range():
    images = pictures(2)
    images[0, 0, 0, 0], images[0, 1, 0, 0] = math.nan, math.inf
    assert RedOfPrompt()(images, "a").isfinite().tolist() == [False, True]
    with pytest.raises(ValueError, match="0..255 by x / 255"):
        RedOfPrompt()(images * 255, "a")
