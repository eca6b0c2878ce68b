"""Prompt List, Seed List and Rank Results called as ComfyUI calls them; test_batch_runs.py runs them on a server."""

import math
from types import SimpleNamespace

import pytest
import torch


@pytest.fixture(scope="module")
def rank(node_classes):
    return node_classes["GPER_RankResults"].execute


@pytest.fixture(scope="module")
def brightness(node_classes):
    return node_classes["GPER_PictureStatistics"].execute("brightness")[0]


@pytest.fixture(scope="module")
def reader(pack):
    """A reward that reads text: minus the distance of the picture's brightness to the number it reads."""
    from gper_pack.nodes.rewards.reward_handle import RewardHandle

    class Reader(torch.nn.Module):
        name, needs_prompt, typical_range = "reader", True, (-1.0, 0.0)

        def forward(self, images, prompts):
            assert len(images) == 1 and isinstance(prompts, str)
            return -(images.mean((1, 2, 3)) - float(prompts)).abs()

    return RewardHandle(Reader())


A, B, C = (SimpleNamespace(seed=seed) for seed in (20, 21, 22))  # stand for noises, which only pass through


def grey(*values, size=32):
    return torch.stack([torch.full((size, size, 3), value) for value in values])


def test_prompts_are_lines(node_classes):
    prompts = node_classes["GPER_PromptList"].execute
    assert prompts("a fox\n\n  a cat  \n")[0] == ["a fox", "a cat"]
    with pytest.raises(ValueError, match="one prompt a line"):
        prompts(" \n")


def test_seeds_follow_one_another(node_classes):
    seeds = node_classes["GPER_SeedList"].execute
    assert seeds(7, 3)[0] == [7, 8, 9]
    assert seeds(2**64 - 1, 2)[0] == [2**64 - 1, 0]


def test_the_best_come_first_with_their_noises(rank, brightness):
    images, noises, table = rank([grey(0.2), grey(0.8, size=64), grey(0.5)], [brightness], [2], noises=[A, B, C]).args
    assert [float(image.mean()) for image in images] == pytest.approx([0.8, 0.5])
    assert images[0].shape == (1, 64, 64, 3) and noises == [B, C]
    assert [line.split()[1] for line in table.splitlines()[1:]] == ["2", "3", "1"]
    assert [line.split()[-2:] for line in table.splitlines()[1:]] == [["seed", "21"], ["seed", "22"], ["seed", "20"]]


def test_a_picture_that_is_not_finite_comes_last(rank, brightness):
    images, noises, table = rank([grey(0.2), grey(math.nan), grey(0.5)], [brightness], [2], noises=[A, B, C]).args
    assert [float(image.mean()) for image in images] == pytest.approx([0.5, 0.2]) and noises == [C, A]
    assert "not finite" in table.splitlines()[-1] and "seed 21" in table.splitlines()[-1]


def test_batches_of_a_run_count_picture_by_picture(rank, brightness):
    images, noises, table = rank([grey(0.2, 0.9), grey(0.5)], [brightness], [9], ["dark", "bright"]).args
    assert [float(image.mean()) for image in images] == pytest.approx([0.9, 0.5, 0.2])
    assert [line.split()[-1] for line in table.splitlines()[1:]] == ["dark", "bright", "dark"]
    with pytest.raises(ValueError, match="3 pictures but 2 noises"):
        rank([grey(0.2, 0.9), grey(0.5)], [brightness], [9], noises=[A, B])


def test_noises_that_do_not_come_in_block_what_needs_them(rank, brightness):
    from comfy_execution.graph import ExecutionBlocker

    (blocked,) = rank([grey(0.2)], [brightness], [1])[1]
    assert isinstance(blocked, ExecutionBlocker) and "connect the Noise Optimizer" in blocked.message


def test_every_picture_is_scored_against_its_own_text(rank, reader):
    images, _, table = rank([grey(0.2), grey(0.8)], [reader], [2], ["0.9", "0.75"]).args
    assert float(images[0].mean()) == pytest.approx(0.8)
    assert "-0.7000" in table and "-0.0500" in table
    images = rank([grey(0.2), grey(0.8)], [reader], [2], ["0.1"])[0]
    assert float(images[0].mean()) == pytest.approx(0.2)


def test_the_shorter_list_goes_on_with_its_last_entry(rank, reader):
    """As ComfyUI runs three seeds beside two prompts."""
    pictures = [grey(0.2), grey(0.8), grey(0.7)]
    images, noises, table = rank(pictures, [reader], [3], ["0.1", "0.75"], [A, B, C]).args
    assert [float(image.mean()) for image in images] == pytest.approx([0.8, 0.7, 0.2])
    assert [line.split()[-1] for line in table.splitlines()[1:]] == ["0.75", "0.75", "0.1"]
    assert rank(pictures, [reader], [3], ["0.2", "0.5", "0.65"], [A, B])[1] == [A, B, B]


def test_a_prompt_of_several_lines_is_one_row(rank, brightness):
    table = rank([grey(0.2), grey(0.8)], [brightness], [1], ["a fox\nin snow", "a cat"])[2]
    assert [line.split("  ")[-1] for line in table.splitlines()[1:]] == ["a cat", "a fox in snow"]


def test_an_empty_batch_is_refused(rank, brightness):
    with pytest.raises(ValueError, match="there is no picture"):
        rank([grey(0.2), torch.zeros(0, 32, 32, 3)], [brightness], [1])


@pytest.mark.parametrize("prompts, message", [(["a", "b", "c"], "2 runs but 3 prompts"), ([""], "fill in the prompts")])
def test_prompts_that_do_not_fit_are_refused(rank, reader, prompts, message):
    with pytest.raises(ValueError, match=message):
        rank([grey(0.2), grey(0.8)], [reader], [1], prompts)
