"""What the help page of Learn Taste claims, and the hidden rule behind it."""

import json

import pytest
import torch

from benchmarks.taste import NUMBERS, PAGE, dusk_with_stars, page_with, rule
from demo_world.scene import PROMPTS, plan

pytestmark = pytest.mark.numerical


@pytest.fixture(scope="module")
def numbers():
    return json.loads(NUMBERS.read_text(encoding="utf-8"))


def test_the_page_holds_the_table_of_its_numbers(numbers):
    page = PAGE.read_text(encoding="utf-8")
    assert page_with(page, numbers) == page and PAGE.with_suffix(".jpg").is_file()


def test_the_rule_counts_stars_a_low_moon_and_dim_light():
    noise = torch.randn(3, 16, 8, 8)
    scene = plan(noise, torch.full((3,), PROMPTS.index("night")))
    expected = []
    for i in range(3):
        stars = [1 / (1 + 2.718281828 ** (-8 * (float(s) - 0.4))) for s in scene.sparks[i, 0, :3].flatten()]
        low, dim = (float(scene.sun[i, 1]) - 7) / 14, (2.5 - float(scene.light[i].mean())) / 5
        expected.append(6 * sum(stars) / 24 + 2 * low + 2 * dim)
    torch.testing.assert_close(rule(noise), torch.tensor(expected))
    torch.testing.assert_close(dusk_with_stars(scene), rule(noise))
