import math

import pytest
import torch
from torch import nn

from reward_models import PictureStatistic, RewardMix, RewardModel, Spread
from tests.reward_models import small_checkpoints as small
from tests.reward_models.parity import PROMPTS, pictures, score_and_gradient

pytestmark = pytest.mark.numerical

MEMBERS = ("brightness", "colourfulness", "sharpness")
WEIGHTS = (2.0, -0.5, 0.01)


class Counting(nn.Module):
    """Mean of squares, counting its calls with and without gradients."""

    name, needs_prompt, typical_range = "squares", False, (0.0, 1.0)

    def __init__(self):
        super().__init__()
        self.graphs = []

    def forward(self, images, prompts=None):
        self.graphs.append(torch.is_grad_enabled() and images.requires_grad)
        return images.square().mean(dim=(1, 2, 3))


def members():
    return [PictureStatistic(name) for name in MEMBERS]


def test_weighted_sum_equals_autograd_through_the_sum():
    images = pictures(3, 20, 24).double()
    expected = score_and_gradient(
        lambda x: sum(weight * reward(x) for weight, reward in zip(WEIGHTS, members(), strict=True)), images
    )
    torch.testing.assert_close(score_and_gradient(RewardMix(members(), WEIGHTS), images), expected)


def test_equal_pull_scales_each_gradient_to_the_same_norm_per_image():
    images = pictures(3, 20, 24).double()
    scores, gradient = score_and_gradient(RewardMix(members(), WEIGHTS, "equal pull"), images)
    expected_scores, expected_gradient = 0, torch.zeros_like(images)
    for weight, reward in zip(WEIGHTS, members(), strict=True):
        for index, image in enumerate(images):
            part_score, part = score_and_gradient(reward, image[None])
            expected_gradient[index] += weight * part[0] / part.norm()
        expected_scores = expected_scores + weight * reward(images)
    torch.testing.assert_close(scores, expected_scores)
    torch.testing.assert_close(gradient, expected_gradient)


@pytest.mark.parametrize("mode", ["weighted sum", "equal pull"])
def test_the_generator_is_passed_backward_once(mode):
    passes = []

    class Generator(torch.autograd.Function):
        @staticmethod
        def forward(context, noise):
            return noise * 1.0

        @staticmethod
        def backward(context, gradient):
            passes.append(gradient)
            return gradient

    mix = RewardMix(members(), mode=mode)
    images = pictures(2, 16, 16)
    _, through_generator = score_and_gradient(lambda noise: mix(Generator.apply(noise)), images)
    assert len(passes) == 1
    torch.testing.assert_close(through_generator, score_and_gradient(mix, images)[1])


def test_equal_pull_ignores_the_scale_of_a_score():
    class Louder(PictureStatistic):
        def score(self, images, prompts):
            return 1000 * super().score(images, prompts)

    images = pictures(2, 16, 16)
    quiet = RewardMix([PictureStatistic("contrast"), PictureStatistic("brightness")], mode="equal pull")
    loud = RewardMix([Louder("contrast"), PictureStatistic("brightness")], mode="equal pull")
    torch.testing.assert_close(score_and_gradient(quiet, images)[1], score_and_gradient(loud, images)[1])


@pytest.mark.parametrize("mode", ["weighted sum", "equal pull"])
def test_weight_zero_only_watches(mode):
    watched = Counting()
    mix = RewardMix([PictureStatistic("brightness"), watched], [1.0, 0.0], mode)
    images = pictures(2).requires_grad_()
    total, parts = mix.forward_with_parts(images)
    assert watched.graphs == [False]
    torch.testing.assert_close(parts["squares"], images.detach().square().mean(dim=(1, 2, 3)))
    torch.testing.assert_close(total.detach(), parts["brightness"])
    assert not any(part.requires_grad for part in parts.values())


def test_scores_without_gradients():
    counting = Counting()
    mix = RewardMix([counting, PictureStatistic("contrast")])
    images = pictures(2)
    parts = mix.score_all(images.requires_grad_())
    with torch.no_grad():
        torch.testing.assert_close(mix(images), parts["squares"] + parts["contrast"])
    assert counting.graphs == [False, False]
    assert not mix(images.detach()).requires_grad


def test_a_flat_gradient_contributes_nothing():
    images = torch.full((1, 3, 16, 16), 0.5)
    mix = RewardMix([PictureStatistic("contrast"), PictureStatistic("brightness")], mode="equal pull")
    scores, gradient = score_and_gradient(mix, images)
    _, brightness = score_and_gradient(PictureStatistic("brightness"), images)
    torch.testing.assert_close(gradient, brightness / brightness.norm())


def test_prompts_reach_the_rewards_that_need_them(tmp_path):
    small.huggingface_clip(tmp_path / "clip.safetensors")
    from reward_models import load_reward

    clip = load_reward(tmp_path / "clip.safetensors")
    mix = RewardMix([clip, PictureStatistic("brightness")], [0.0, 1.0])
    assert mix.needs_prompt
    torch.testing.assert_close(mix.score_all(pictures(), PROMPTS)["CLIPScore"], clip(pictures(), PROMPTS))
    with pytest.raises(ValueError, match="CLIPScore compares each image with a prompt"):
        mix(pictures())


def test_equal_pull_counts_in_spreads():
    mix = RewardMix(members(), WEIGHTS, "equal pull")
    images = pictures(5, 20, 24)
    parts = mix.score_all(images)
    spreads = mix.spreads({name: scores[:, None] for name, scores in parts.items()})
    expected = sum(
        weight * (parts[name] - parts[name].mean()) / parts[name].std()
        for name, weight in zip(MEMBERS, WEIGHTS, strict=True)
    )
    torch.testing.assert_close(mix.value(parts, spreads), expected)
    total, _ = mix.forward_with_parts(images.requires_grad_(), spreads=spreads)
    torch.testing.assert_close(total.detach(), expected)
    torch.testing.assert_close(
        torch.autograd.grad(total.sum(), images)[0], torch.autograd.grad(mix(images).sum(), images)[0]
    )


def test_a_spread_is_that_within_the_columns():
    scores = torch.tensor([[1.0, 101.0], [3.0, 103.0], [2.0, math.nan], [math.inf, 105.0]])
    spread = Spread.of(scores, (0.0, 1.0))
    assert spread.mean == pytest.approx(scores[scores.isfinite()].mean().item())
    assert spread.deviation == pytest.approx(math.sqrt((1 + 1 + 0 + 4 + 0 + 4) / 4))


@pytest.mark.parametrize("scores", [[[2.0], [2.0]], [[math.nan], [2.0]], [[2.0, 4.0]]])
def test_where_nothing_differs_the_typical_range_is_the_unit(scores):
    assert Spread.of(torch.tensor(scores), (10.0, 14.0)).deviation == 4
    assert Spread.of(torch.full((2, 1), math.nan), (10.0, 14.0)) == Spread(12.0, 4.0)


@pytest.mark.parametrize(
    "mode, weights, needed",
    [("equal pull", (1, 1), True), ("equal pull", (1, 0), False), ("weighted sum", (1, 1), False)],
)
def test_only_an_order_among_several_needs_spreads(mode, weights, needed):
    assert RewardMix(members()[:2], weights, mode).needs_spreads is needed


def test_a_watched_score_that_is_not_finite_stays_out_of_the_value():
    mix = RewardMix(members(), (1.0, 0.0, 1.0))
    parts = dict(zip(MEMBERS, torch.tensor([[1.0], [math.nan], [1.0]]), strict=True))
    assert mix.value(parts).tolist() == [2.0]


def test_names_are_made_unique():
    mix = RewardMix([PictureStatistic("contrast") for _ in range(3)])
    assert mix.names == ("contrast", "contrast 2", "contrast 3")
    assert list(mix.score_all(pictures())) == list(mix.names)


def test_range_adds_up_also_for_negative_weights():
    mix = RewardMix([PictureStatistic("brightness"), PictureStatistic("contrast")], [2.0, -1.0])
    assert mix.typical_range == (-0.5, 2.0)


def test_a_reward_without_gradient_is_refused_unless_watched():
    class Blind(RewardModel):
        name = "blind"

        def score(self, images, prompts):
            return images.detach().mean(dim=(1, 2, 3))

    with pytest.raises(ValueError, match="blind has no gradient; give it the weight 0"):
        RewardMix([Blind()])(pictures().requires_grad_())
    RewardMix([Blind(), PictureStatistic("contrast")], [0, 1])(pictures().requires_grad_())


@pytest.mark.parametrize(
    ("rewards", "weights", "mode", "message"),
    [
        ([], None, "weighted sum", "at least one reward"),
        (members(), [1.0], "weighted sum", "3 rewards but 1 weights"),
        (members(), [0.0, 0.0, 0.0], "weighted sum", "nothing to optimize"),
        (members(), [1.0, float("nan"), 0.0], "weighted sum", "finite"),
        (members(), None, "average", "choose one of weighted sum, equal pull"),
    ],
)
def test_wrong_mixes_are_refused(rewards, weights, mode, message):
    with pytest.raises(ValueError, match=message):
        RewardMix(rewards, weights, mode)


def test_a_reward_that_is_called_as_the_total_is():
    """As a taste may be: scores are told by name, and its own would stand for the total."""
    reward = PictureStatistic("brightness")
    reward.name = "mix"
    assert RewardMix([reward, PictureStatistic("sharpness")]).names == ("mix 2", "sharpness")
