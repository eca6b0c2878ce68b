"""Score Images called as ComfyUI calls it: what it refuses, and many prompts."""

import math

import pytest
import torch

from tests.reward_models.small_checkpoints import huggingface_clip


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


def test_scores_are_told_as_numbers_of_plain_seeds(score, brightness):
    """The plain pictures are scored and not ranked; one of them is as good as its rank among them."""
    plain = grey(*(0.3 + 0.02 * k for k in range(16)))
    images = torch.cat([grey(0.9), plain[-1:], plain[:1]])
    best, _, table, scores = score(images, brightness, keep=5, plain_images=plain).args
    assert torch.equal(best, images) and len(scores) == 3
    head, *rows = table.splitlines()
    said = [row[head.index("best of seeds") :] for row in rows]
    assert said == ["more than 160", "16 (4 to more than 160)", "1 (1 to 1)"]
    assert [row.split()[:3] for row in rows] == [
        row.split() for row in score(images, brightness).args[2].splitlines()[1:]
    ]
    with pytest.raises(ValueError, match="plain_images holds 7 picture.*at least 8.*leave it unconnected"):
        score(images, brightness, plain_images=plain[:7])


def test_equal_pull_takes_its_units_from_plain_pictures(node_classes, score):
    """So that numbers of different tables can be compared."""
    statistic, mix = (node_classes[f"GPER_{name}"].execute for name in ("PictureStatistics", "RewardMix"))
    reward = mix(statistic("brightness", "more")[0], statistic("contrast", "more")[0])[0]
    images, plain = torch.rand(25, 32, 32, 3, generator=torch.Generator().manual_seed(0)).split((5, 20))
    together, alone = (score(batch, reward, plain_images=plain) for batch in (images, images[3:4]))
    assert alone.args[3] == pytest.approx(together.args[3][3:4], abs=1e-4) and alone.args[3] != [0.0]
    assert together.args[2].splitlines()[0].count("best of seeds") == 3


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
        (grey(0.5, channels=4), None, r"4 channel\(s\), rewards read 3 .* alpha channel"),
        (grey(0.5, channels=1), None, r"1 channel\(s\), rewards read 3 .* Convert Mask to Image"),
        (grey(0.5, channels=2), None, r"2 channel\(s\), rewards read 3 .* the node that makes them"),
        (torch.zeros(0, 32, 32, 3), None, r"\(0, 32, 32, 3\), in which there is no picture"),
        (grey(0.5)[0], None, r"\(32, 32, 3\), in which there is no picture"),
        (grey(0.5, 128.0), None, "values from 0.5 to 128"),
        (grey(0.5, size=1), None, "1 x 1|1x1|too small|at least"),
        (grey(0.5, 0.6), {"samples": torch.zeros(3, 4, 8, 8)}, "2 pictures but 3 latents"),
    ],
)
def test_refused(score, brightness, images, latent, message):
    score(grey(0.5), brightness)
    with pytest.raises(ValueError, match=message) as error:
        score(images, brightness, latent=latent)
    assert "\n" not in str(error.value)


def test_pictures_of_another_range_are_refused_for_every_reward(score, node_classes):
    world = node_classes["GPER_DemoWorld"].execute("day").args
    for reward in world[3:]:
        score(grey(0.5), reward)
        with pytest.raises(ValueError, match="0..255 by x / 255"):
            score(grey(128.0), reward)


@pytest.mark.parametrize("prompt", ["a house\nunder the sun", " a house\n\nunder the sun\n"])
def test_a_prompt_with_line_breaks_is_the_optimizers_one_text(score, pack, tmp_path, prompt):
    from gper_pack.nodes.refusals.optimizer_inputs import check_prompt
    from gper_pack.nodes.rewards.reward_handle import RewardHandle
    from gper_pack.reward_models import load_reward
    from gper_pack.runs.score_history import ScoreHistory

    huggingface_clip(tmp_path / "PickScore_v1.safetensors")
    model = load_reward(tmp_path / "PickScore_v1.safetensors")
    images = torch.rand(2, 32, 32, 3, generator=torch.Generator().manual_seed(0))
    optimized = ScoreHistory(model, check_prompt(prompt, model), {})(images.movedim(-1, 1))
    assert score(images, RewardHandle(model), prompt).args[3] == pytest.approx(optimized.tolist(), abs=1e-4)
    assert score(images[:1], RewardHandle(model), prompt).args[3] == pytest.approx(optimized[:1].tolist(), abs=1e-4)
    with pytest.raises(ValueError, match="fill in the prompt of Score Images"):
        score(images, RewardHandle(model), " \n")
