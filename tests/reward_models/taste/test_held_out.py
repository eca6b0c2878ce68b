"""The estimate on pictures held out: nothing leaks into it, and its interval is one."""

import pytest
import torch
import torch.nn.functional as F

from reward_models.taste import Lesson, describe_taste
from reward_models.taste.held_out import HeldOut, held_out_pairs, interval
from reward_models.taste.learning import learn_single

pytestmark = pytest.mark.numerical


def chance(liked, disliked, seed, width=24, copies=2):
    """Liked and disliked pictures from one distribution; broken copies equal the pictures that they are of."""
    generator = torch.Generator().manual_seed(seed)
    rows = F.normalize(torch.randn(liked + disliked, width, generator=generator), dim=1)
    return Lesson(
        rows[:liked],
        rows[liked:],
        rows[:liked].repeat_interleave(copies, 0),
        torch.arange(liked).repeat_interleave(copies),
    )


def test_pictures_without_a_difference_are_chance():
    found = [held_out_pairs(chance(12, 15, seed), learn_single) for seed in range(16)]
    assert abs(sum(one.share for one in found) / 16 - 0.5) < 0.06
    assert sum(one.is_chance for one in found) >= 14


@pytest.mark.parametrize("disliked", [0, 9])
def test_what_is_held_out_is_not_learned_from(disliked):
    """Each picture has a coordinate of its own, so a head that learned from it would know it."""
    liked = 13
    rows = torch.eye(liked + disliked + 2 * liked)
    lesson = Lesson(
        rows[:liked], rows[liked : liked + disliked], rows[liked + disliked :], torch.arange(2 * liked) // 2
    )
    seen = []

    def learn(kept):
        names = [set(kind.argmax(1).tolist()) for kind in (kept.liked, kept.disliked, kept.broken)]
        pictures = sorted(names[0])
        copies = zip(kept.broken.argmax(1).tolist(), kept.source.tolist(), strict=True)
        assert all((copy - liked - disliked) // 2 == pictures[source] for copy, source in copies)
        assert len(names[2]) == 2 * len(names[0])

        def head(e):
            out = e.argmax(1)
            assert not set(out.tolist()) & set.union(*names)
            seen.append(out)
            return (out < liked).float()

        return head

    found = held_out_pairs(lesson, learn)
    assert found.share == 1 and found.against_disliked == bool(disliked) and not found.is_chance
    counts = torch.cat(seen).bincount()[: liked + disliked]
    assert set(counts.tolist()) == {4}  # four rounds, each picture held out once in each


def test_share_is_that_of_all_pairs_within_a_fold():
    lesson, wins = chance(10, 10, 0), []
    scores = torch.rand(1000, generator=torch.Generator().manual_seed(1)).round(decimals=1)

    def learn(kept):
        calls = []

        def head(e):
            value = scores[: len(e)] if not calls else scores[500 : 500 + len(e)]
            calls.append(value)
            if len(calls) == 2:
                wins.extend(1.0 if a > b else 0.5 if a == b else 0.0 for a in calls[0] for b in calls[1])
            return value

        return head

    assert held_out_pairs(lesson, learn).share == pytest.approx(sum(wins) / len(wins))


@pytest.mark.parametrize("liked, others", [(8, 8), (30, 60), (200, 200)])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.8, 1.0])
def test_interval_by_search(share, liked, others):
    """Every t that the formula lets in, among many."""
    n = (liked + others) / 2 - 1
    inside = [
        t
        for t in torch.linspace(0, 1, 20001, dtype=torch.float64).tolist()
        if abs(share - t)
        <= 1.959964 * (t * (1 - t) * (1 + n * (1 - t) / (2 - t) + n * t / (1 + t)) / (liked * others)) ** 0.5
    ]
    low, high = interval(share, liked, others)
    assert low == pytest.approx(min(inside), abs=1e-4) and high == pytest.approx(max(inside), abs=1e-4)
    assert low <= share <= high


def test_the_interval_covers_what_it_says():
    """Scores of two normal distributions: the true share of pairs is known, and seldom outside."""
    shift, true = 1.0, 0.5 * (1 + torch.erf(torch.tensor(0.5)).item())
    generator, hits = torch.Generator().manual_seed(0), 0
    for _ in range(400):
        liked, others = torch.randn(20, generator=generator) + shift, torch.randn(30, generator=generator)
        low, high = interval(float((liked[:, None] > others).float().mean()), 20, 30)
        hits += low <= true <= high
    assert hits / 400 > 0.92


@pytest.mark.parametrize("low, says", [(0.45, True), (0.5, True), (0.6, False)])
def test_the_report_says_when_it_is_chance(low, says):
    text = describe_taste(20, 30, "clip_vision/clip.safetensors", HeldOut(0.7, low, 0.8, True))
    assert ("cannot be told from chance" in text) == says
    assert "20 liked" in text and "30 disliked" in text and "70%" in text and "clip.safetensors" in text
    assert "Without disliked" not in text


def test_the_report_says_what_is_missing_without_disliked_pictures():
    text = describe_taste(20, 0, "demo world", HeldOut(0.9, 0.8, 0.95, False))
    assert "a broken copy" in text and "Without disliked pictures" in text
