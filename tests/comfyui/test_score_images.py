"""Score Images called as ComfyUI calls it: what it refuses, and many prompts."""

import math

import pytest
import torch


@pytest.fixture(scope="module")
def score(node_classes):
    return node_classes["GPER_ScoreImages"].execute


@pytest.fixture(scope="module")
def brightness(node_classes):
    return node_classes["GPER_PictureStatistics"].execute("brightness")[0]


def grey(*values, channels=3, size=32):
    return torch.stack([torch.full((size, size, channels), value) for value in values])


def test_every_picture_is_scored(score, brightness):
    images = grey(0.2, 0.8, 0.5)
    best, _, table, scores = score(images, brightness, keep=2).args
    assert scores == pytest.approx([0.2, 0.8, 0.5])
    assert torch.equal(best, images[[1, 2]])
    assert [line.split()[1] for line in table.splitlines()[1:]] == ["2", "3", "1"]


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_picture_that_is_not_finite_comes_last(score, brightness, broken):
    images = grey(0.2, broken, 0.8)
    best, _, table, _ = score(images, brightness, keep=2).args
    assert torch.equal(best, images[[2, 0]])
    assert [line.split()[1] for line in table.splitlines()[1:]] == ["3", "1", "2"]
    assert table.splitlines()[-1].split()[2:] == ["not", "finite"]


def test_equal_pull_ranks_in_units_of_the_spread_among_the_pictures(node_classes, score):
    """Raw numbers would go by the sharpness alone, which is larger by orders of magnitude."""
    statistic, mix = (node_classes[f"GPER_{name}"].execute for name in ("PictureStatistics", "RewardMix"))
    noise = torch.rand(3, 32, 32, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    images = torch.tensor([0.5, 0.4, 0.1]).view(3, 1, 1, 1) + noise * torch.tensor([0.02, 0.12, 0.14]).view(3, 1, 1, 1)
    both = [statistic(name, "more")[0] for name in ("brightness", "sharpness")]
    columns = torch.stack([torch.tensor(score(images, reward).args[3]) for reward in both])
    expected = ((columns - columns.mean(1, keepdim=True)) / columns.std(1, keepdim=True)).sum(0)
    best, _, table, scores = score(images, mix(*both)[0]).args
    assert scores == pytest.approx(expected.tolist(), rel=1e-3)
    assert torch.equal(best, images[1:2]) and columns[1].argmax() == 2
    assert "0.0000" in score(images[:1], mix(*both)[0]).args[2]


def test_a_latent_that_does_not_come_in_blocks_what_needs_it(score, brightness):
    from comfy_execution.graph import ExecutionBlocker

    blocked = score(grey(0.2), brightness).args[1]
    assert isinstance(blocked, ExecutionBlocker) and "connect the pictures' latent" in blocked.message


def test_latents_masks_and_indices_follow_the_pictures(score, brightness):
    latent = {
        "samples": torch.arange(3.0).view(3, 1, 1, 1),
        "noise_mask": torch.arange(3.0).view(3, 1, 1),
        "batch_index": [4, 5, 6],
        "something_else": "kept",
    }
    chosen = score(grey(0.2, 0.8, 0.5), brightness, keep=2, latent=latent).args[1]
    assert chosen["samples"].flatten().tolist() == [1.0, 2.0]
    assert chosen["noise_mask"].flatten().tolist() == [1.0, 2.0]
    assert chosen["batch_index"] == [5, 6] and chosen["something_else"] == "kept"
    assert latent["samples"].shape[0] == 3


@pytest.mark.parametrize(
    "images, latent, message",
    [
        (grey(0.5, channels=4), None, "4 channels, rewards read 3"),
        (grey(0.5, size=1), None, "1 x 1|1x1|too small|at least"),
        (grey(0.5, 0.6), {"samples": torch.zeros(3, 4, 8, 8)}, "2 pictures but 3 latents"),
    ],
)
def test_refused(score, brightness, images, latent, message):
    with pytest.raises(ValueError, match=message) as error:
        score(images, brightness, latent=latent)
    assert "\n" not in str(error.value)
