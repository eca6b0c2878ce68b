"""Reward Region called as ComfyUI calls it: everywhere a reward goes, and what does not fit is refused."""

import pytest
import torch


def mask_of(height, width, top, bottom, left, right):
    mask = torch.zeros(1, height, width)
    mask[:, top:bottom, left:right] = 1
    return mask


LEFT = mask_of(64, 64, 0, 64, 0, 32)


@pytest.fixture(scope="module")
def region(node_classes):
    return lambda *arguments, **options: node_classes["GPER_RewardRegion"].execute(*arguments, **options)[0]


@pytest.fixture(scope="module")
def statistic(node_classes):
    return lambda *arguments: node_classes["GPER_PictureStatistics"].execute(*arguments)[0]


@pytest.fixture(scope="module")
def mix(node_classes):
    return lambda *arguments, **options: node_classes["GPER_RewardMix"].execute(*arguments, **options)[0]


def halves(*pairs, size=32):
    """Pictures (B, size, size, 3) that are grey on the left and on the right."""
    images = torch.zeros(len(pairs), size, size, 3)
    for image, (left, right) in zip(images, pairs, strict=True):
        image[:, : size // 2], image[:, size // 2 :] = left, right
    return images


@pytest.mark.parametrize("method", ["GPER", "none", "best of seeds", "local search"])
def test_the_optimizer_improves_the_region(optimize, wires, region, statistic, method):
    from gper_pack.nodes.inputs.methods import METHODS

    reward = region(statistic("brightness"), LEFT, margin=0.0, label="left")
    with torch.inference_mode():
        result = optimize(reward=reward, method=METHODS[method], steps=6)
        left = wires["vae"].decode(result.args[1]["samples"])[:, :, :32]
    rewards = torch.tensor(result.ui["reward_history"])
    assert rewards[1:].amax() > rewards[0].amax()
    weights = torch.tensor([0.2126, 0.7152, 0.0722])
    found = (left * weights).sum(-1).mean((1, 2))
    torch.testing.assert_close(found, rewards.amax(0), rtol=0, atol=1e-4)
    assert "brightness (left)" in result.args[2]


def test_a_mix_of_regions_and_the_whole(optimize, region, statistic, mix):
    right = region(statistic("brightness", "less"), 1 - LEFT, label="right")
    parts = mix(mix(region(statistic("brightness"), LEFT), right), statistic("contrast"), weight=0.0)
    report = optimize(reward=parts).args[2]
    for name in ("brightness (region)", "brightness (right)", "contrast"):
        assert name in report


def test_what_a_reward_brings_along_stays(region, mix, node_classes):
    reward = node_classes["GPER_DemoWorld"].execute("day")[3]
    assert region(reward, LEFT).patchers == reward.patchers
    watched = mix(reward, reward, weight=0.0, stop_if_falls_by=0.5)
    inside = region(watched, LEFT)
    assert inside.limits == watched.limits and inside.patchers == watched.patchers
    assert inside.model.weights == watched.model.weights and inside.model.mode == watched.model.mode
    assert inside.model.typical_range == watched.model.typical_range


def test_score_images_looks_at_the_region(node_classes, region, statistic):
    images = halves((0.2, 0.9), (0.8, 0.1), (0.5, 0.5))
    score = node_classes["GPER_ScoreImages"].execute
    best, _, table, scores = score(images, region(statistic("brightness"), LEFT, margin=0.0)).args
    assert scores == pytest.approx([0.2, 0.8, 0.5]) and torch.equal(best, images[1:2])
    assert "brightness (region)" in table


@pytest.mark.parametrize("mixed", [False, True])
def test_each_picture_is_scored_under_its_own_mask(node_classes, region, statistic, mix, mixed):
    images = halves((0.2, 0.9), (0.8, 0.1))
    reward = region(statistic("brightness"), torch.cat([LEFT, 1 - LEFT]), margin=0.0)
    reward = mix(reward, statistic("contrast"), weight=0.0) if mixed else reward
    assert node_classes["GPER_ScoreImages"].execute(images, reward).args[3] == pytest.approx([0.2, 0.1])
    rank = node_classes["GPER_RankResults"].execute
    runs = [images, images.flip(0)]
    best, _, table = rank(images=runs, reward=[reward], keep=[1]).args
    assert [line.split()[1] for line in table.splitlines()[1:]] == ["4", "3", "1", "2"]  # 0.9, 0.8, 0.2, 0.1
    assert torch.equal(best[0], images[:1])


def test_bad_masks_are_one_clear_line(region, statistic):
    with pytest.raises(ValueError, match="The mask is empty") as error:
        region(statistic("brightness"), torch.zeros(1, 64, 64))
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="combine the regions with Reward Mix"):
        region(region(statistic("brightness"), LEFT), LEFT)


@pytest.mark.parametrize(
    "mask, message",
    [
        (mask_of(64, 64, 0, 2, 0, 40), "only 40 x 2 pixels of a picture of 64 x 64"),
        (torch.ones(3, 8, 8), "3 masks, but there are 2 pictures"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_loaded(
    optimize, node_classes, region, statistic, monkeypatch, mask, message
):
    import comfy.model_management

    def must_not_load(*args, **kwargs):
        raise AssertionError("a model was loaded first")

    monkeypatch.setattr(comfy.model_management, "load_models_gpu", must_not_load)
    reward = region(statistic("brightness"), mask, margin=0.0)
    images = halves((0.2, 0.9), (0.8, 0.1), size=64)
    score, rank = (node_classes[f"GPER_{name}"].execute for name in ("ScoreImages", "RankResults"))
    for use in (
        lambda: optimize(reward=reward),
        lambda: score(images, reward),
        lambda: rank(images=[images], reward=[reward], keep=[1]),
    ):
        with pytest.raises(ValueError, match=message) as error:
            use()
        assert "\n" not in str(error.value)
