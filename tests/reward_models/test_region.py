"""A reward in a region: the crop's score, and a gradient under the mask alone."""

import pytest
import torch
import torch.nn.functional as F

from reward_models import (
    PictureStatistic,
    RegionReward,
    RewardMix,
    check_pictures,
    in_region,
    load_reward,
    reward_of_picture,
)
from tests.reward_models import small_checkpoints as small
from tests.reward_models.parity import pictures, score_and_gradient

pytestmark = pytest.mark.numerical

HEIGHT, WIDTH = 40, 60


def rectangle(height, width, top, bottom, left, right):
    mask = torch.zeros(height, width)
    mask[top:bottom, left:right] = 1
    return mask


def slow_box(mask, height, width, margin):
    """Every pixel of the picture that the enlarged rectangle of the mask's pixels touches."""
    rows = [y for y in range(len(mask)) if (mask[y] > 0).any()]
    columns = [x for x in range(mask.shape[1]) if (mask[:, x] > 0).any()]
    touched = []
    for first, last, length, side in (
        (rows[0], rows[-1] + 1, len(mask), height),
        (columns[0], columns[-1] + 1, mask.shape[1], width),
    ):
        start, end = first - margin * (last - first), last + margin * (last - first)
        touched.append([i for i in range(side) if (i + 1) * length > start * side and i * length < end * side])
    return touched[0][0], touched[0][-1] + 1, touched[1][0], touched[1][-1] + 1


# Of the picture's size, of the latent's, of another shape, larger.
MASKS = [
    rectangle(HEIGHT, WIDTH, 10, 30, 12, 32),
    rectangle(5, 8, 1, 3, 2, 5),
    rectangle(37, 29, 20, 37, 0, 9),
    rectangle(400, 300, 111, 222, 150, 299),
]


@pytest.mark.parametrize("margin", [0.0, 0.25, 1.0, 50.0])
@pytest.mark.parametrize("mask", MASKS, ids=lambda mask: "x".join(map(str, mask.shape)))
def test_it_is_the_score_of_the_crop(mask, margin):
    top, bottom, left, right = slow_box(mask, HEIGHT, WIDTH, margin)
    reward, images = PictureStatistic("sharpness"), pictures(2, HEIGHT, WIDTH)
    region = RegionReward(reward, mask, margin)
    scores, gradient = score_and_gradient(region, images)
    expected, of_crop = score_and_gradient(reward, images[..., top:bottom, left:right].clone())
    assert torch.equal(scores, expected) and torch.equal(region(images), expected)
    weights = F.interpolate(mask[None, None], (HEIGHT, WIDTH), mode="bilinear", antialias=True)
    expected_gradient = torch.zeros_like(images)
    expected_gradient[..., top:bottom, left:right] = of_crop * weights[..., top:bottom, left:right]
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-4, atol=1e-5 * of_crop.abs().max().item())
    assert (gradient != 0).any()


def test_the_margin_is_seen_but_not_changed():
    mask = rectangle(HEIGHT, WIDTH, 10, 30, 20, 40)
    region, images = RegionReward(PictureStatistic("contrast"), mask, 0.5), pictures(1, HEIGHT, WIDTH)
    _, gradient = score_and_gradient(region, images)
    assert torch.equal(gradient.abs().amax((0, 1)) > 0, mask > 0)
    beside, far = images.clone(), images.clone()
    beside[..., 5, 20] = 1 - beside[..., 5, 20]
    far[..., 0, 0] = 1 - far[..., 0, 0]
    assert region(beside) != region(images) and torch.equal(region(far), region(images))


def test_a_soft_mask_weighs_the_gradient_and_its_faint_edge_counts_as_nothing():
    mask = rectangle(HEIGHT, WIDTH, 10, 30, 20, 40)
    soft = 0.5 * mask
    faint = mask + 0.09 * (1 - mask)
    images = pictures(1, HEIGHT, WIDTH)
    hard, half, clean = (
        score_and_gradient(RegionReward(PictureStatistic("contrast"), m), images) for m in (mask, soft, faint)
    )
    assert torch.equal(half[0], hard[0]) and torch.equal(half[1], 0.5 * hard[1])
    assert torch.equal(clean[0], hard[0]) and torch.equal(clean[1], hard[1])


def test_a_thin_stroke_of_a_large_mask_keeps_its_gradient():
    mask = torch.zeros(2000, 2000)
    mask[500:1500, 500:1500] = torch.eye(1000)
    region = RegionReward(PictureStatistic("contrast"), mask)
    _, gradient = score_and_gradient(region, pictures(1, HEIGHT, WIDTH))
    assert (gradient != 0).any()


def test_one_mask_for_each_picture():
    masks = torch.stack([rectangle(HEIGHT, WIDTH, 0, 20, 0, 20), rectangle(HEIGHT, WIDTH, 10, 39, 30, 50)])
    reward, images = PictureStatistic("colourfulness"), pictures(2, HEIGHT, WIDTH)
    both = score_and_gradient(RegionReward(reward, masks), images)
    for i in range(2):
        alone = score_and_gradient(RegionReward(reward, masks[i]), images[i : i + 1])
        picked = score_and_gradient(RegionReward(reward, masks).of_picture(i, 2), images[i : i + 1])
        for of_both, expected, same in zip(both, alone, picked, strict=True):
            assert torch.equal(of_both[i : i + 1], expected) and torch.equal(same, expected)


def test_each_picture_is_read_against_its_own_prompt(tmp_path):
    small.huggingface_clip(tmp_path / "clip.safetensors")
    reward = load_reward(tmp_path / "clip.safetensors")
    masks = torch.stack([rectangle(64, 64, 0, 30, 0, 40), rectangle(64, 64, 20, 60, 10, 50)])
    region, images = RegionReward(reward, masks), pictures(2, 64, 64)
    texts = ["a house", "the sea at night"]
    alone = [RegionReward(reward, masks[i])(images[i : i + 1], texts[i]) for i in range(2)]
    torch.testing.assert_close(region(images, texts), torch.cat(alone))
    with pytest.raises(ValueError, match="no prompt was given"):
        region(images)


@pytest.mark.parametrize("mode", ["weighted sum", "equal pull"])
def test_a_mix_in_a_region_is_the_mix_of_its_rewards_there(mode):
    mask, images = MASKS[0], pictures(2, HEIGHT, WIDTH)
    members = [PictureStatistic("sharpness"), PictureStatistic("brightness")]
    regional = in_region(RewardMix(members, [1.0, 2.0], mode), mask, label="face")
    built = RewardMix([RegionReward(member, mask) for member in members], [1.0, 2.0], mode)
    for found, expected in zip(score_and_gradient(regional, images), score_and_gradient(built, images), strict=True):
        assert torch.equal(found, expected)
    assert regional.names == ("sharpness (face)", "brightness (face)")


def test_regions_and_the_whole_in_one_mix():
    reward, images = PictureStatistic("brightness"), pictures(2, HEIGHT, WIDTH)
    mix = RewardMix([reward, RegionReward(reward, MASKS[0]), RegionReward(reward, MASKS[1])], mode="equal pull")
    _, parts = mix.forward_with_parts(images.clone().requires_grad_())
    assert list(parts) == ["brightness", "brightness (region)", "brightness (region) 2"]
    assert torch.equal(parts["brightness (region)"], RegionReward(reward, MASKS[0])(images))


def test_what_was_made_under_inference_mode_still_has_a_gradient():
    with torch.inference_mode():
        region = RegionReward(PictureStatistic("contrast"), torch.ones(8, 8).clone())
        region(pictures(1, HEIGHT, WIDTH).clone())
    assert (score_and_gradient(region, pictures(1, HEIGHT, WIDTH))[1] != 0).any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_scores_have_the_dtype_of_the_reward_itself(dtype):
    reward, images = PictureStatistic("contrast"), pictures(1, HEIGHT, WIDTH).to(dtype)
    assert RegionReward(reward, MASKS[0])(images).dtype == reward(images).dtype


@pytest.mark.parametrize(
    "mask, options, message",
    [
        (torch.zeros(8, 8), {}, "The mask is empty"),
        (torch.full((8, 8), 0.05), {}, "The mask is empty"),
        (torch.stack([torch.ones(8, 8), torch.zeros(8, 8)]), {}, "Mask 2 of 2 is empty"),
        (torch.zeros(0, 8, 8), {}, "no pixels"),
        (torch.full((8, 8), torch.nan), {}, "not finite"),
        (torch.ones(8, 8), {"margin": -0.5}, "margin"),
        (torch.ones(8, 8), {"margin": torch.inf}, "margin"),
    ],
)
def test_a_bad_mask_is_refused(mask, options, message):
    with pytest.raises(ValueError, match=message):
        RegionReward(PictureStatistic("contrast"), mask, **options)


def test_a_region_of_a_region_is_refused():
    region = RegionReward(PictureStatistic("contrast"), MASKS[0])
    for reward in (region, RewardMix([PictureStatistic("contrast"), region])):
        with pytest.raises(ValueError, match="already looks at a region"):
            in_region(reward, MASKS[0])


def test_pictures_that_a_region_does_not_fit_are_refused():
    small_part = RegionReward(PictureStatistic("contrast"), rectangle(64, 64, 0, 4, 0, 8), 0.0)
    mix = RewardMix([PictureStatistic("contrast"), small_part])
    check_pictures(mix, 1, 64, 64)
    for use in (lambda: check_pictures(mix, 1, 32, 64), lambda: small_part(pictures(1, 32, 64))):
        with pytest.raises(ValueError, match=r"only 8 x 2 pixels of a picture of 64 x 32.* at least 4 x 4"):
            use()
    three = RewardMix([RegionReward(PictureStatistic("contrast"), torch.ones(3, 8, 8))])
    check_pictures(three, 3, 64, 64)
    assert reward_of_picture(three, 2, 3).names == ("contrast (region)",)
    for use in (lambda: check_pictures(three, 2, 64, 64), lambda: reward_of_picture(three, 0, 2)):
        with pytest.raises(ValueError, match="3 masks, but there are 2 pictures"):
            use()
