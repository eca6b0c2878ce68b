"""The heads of a taste, against slow references."""

import pytest
import torch
import torch.nn.functional as F

from reward_models.taste import Lesson, learn
from reward_models.taste.head import TasteHead
from reward_models.taste.learning import GUARD_SHARE, HEADS, learn_single
from reward_models.taste.logistic import PRIOR, fit_logistic

pytestmark = pytest.mark.numerical


def embeddings(count, width, seed, shift=None):
    rows = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    return F.normalize(rows if shift is None else rows + shift, dim=1)


def lesson(liked=20, disliked=30, width=32, strength=2.0, copies=1):
    """A taste for the first axis; broken copies stand at the far end of the second."""
    axes = torch.eye(width) * width**0.5 * strength
    others = embeddings(disliked, width, 2)
    return Lesson(
        embeddings(liked, width, 1, axes[0]),
        others,
        embeddings(copies * liked, width, 3, axes[1]),
        torch.arange(liked).repeat_interleave(copies),
    )


@pytest.mark.parametrize("count, width", [(12, 40), (60, 8)])
def test_logistic_regression_is_the_best_of_its_problem(count, width):
    """By another optimizer, in all dimensions, on the problem as the docstring states it."""
    examples = embeddings(count, width, 0).double() * 3 + 1
    liked = torch.arange(count) % 3 == 0
    weights = 0.5 + torch.rand(count, dtype=torch.float64)
    centre, (w, other), (b, _) = fit_logistic(examples, liked, [weights, torch.ones(count)])
    assert not torch.allclose(w, other)

    mean = examples.mean(0)
    scaled = (examples - mean) / (examples - mean).square().sum(1).mean().sqrt()
    free = torch.zeros(width + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([free], max_iter=500, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        logits = scaled @ free[:-1] + free[-1]
        value = (weights * F.binary_cross_entropy_with_logits(logits, liked.double(), reduction="none")).sum()
        value = value + free.square().sum() / (2 * PRIOR**2)
        value.backward()
        return value

    optimizer.step(loss)
    expected = (scaled @ free[:-1] + free[-1]).detach()
    torch.testing.assert_close((examples.float() - centre) @ w + b, expected.float(), rtol=1e-4, atol=1e-4)


def test_the_scale_of_the_embeddings_does_not_matter():
    examples, liked, weights = embeddings(20, 30, 0), torch.arange(20) < 8, [torch.ones(20)]
    centre, w, b = fit_logistic(examples, liked, weights)
    other_centre, other_w, other_b = fit_logistic(1000 * examples, liked, weights)
    logits = (examples - centre) @ w[0] + b
    torch.testing.assert_close((1000 * examples - other_centre) @ other_w[0] + other_b, logits, rtol=1e-4, atol=1e-4)


def test_separable_pictures_stay_finite():
    examples = torch.cat([torch.eye(4)[:1].repeat(500, 1), -torch.eye(4)[:1].repeat(500, 1)])
    _, w, b = fit_logistic(examples, torch.arange(1000) < 500, [torch.ones(1000)])
    assert w.isfinite().all() and b.isfinite().all() and w[0, 0] > 0


def test_score_is_the_mean_less_caution_times_the_deviation():
    generator = torch.Generator().manual_seed(0)
    centre, weight = torch.rand(5, generator=generator), torch.rand(4, 5, generator=generator)
    bias, e = torch.rand(4, generator=generator), torch.rand(3, 5, generator=generator)
    logits = torch.stack(
        [torch.stack([w @ (row - centre) + b for w, b in zip(weight, bias, strict=True)]) for row in e]
    )
    for caution in (0.0, 1.5):
        expected = logits.mean(1) - caution * logits.std(1)
        torch.testing.assert_close(TasteHead(centre, weight, bias, caution)(e), expected, rtol=1e-4, atol=1e-5)


def test_heads_that_agree_give_a_finite_gradient():
    e = torch.zeros(2, 3, requires_grad=True)
    TasteHead(torch.zeros(3), torch.ones(4, 3), torch.zeros(4), 2.0)(e).sum().backward()
    assert e.grad.isfinite().all() and (e.grad > 0).all()


@pytest.mark.parametrize("disliked", [0, 30])
def test_it_prefers_unseen_pictures_of_the_taste(disliked):
    taught = lesson(disliked=disliked)
    head, found = learn(taught)
    axes = 11 * torch.eye(32)
    liked, others, broken = (
        head(embeddings(50, 32, 11 + i, shift)) for i, shift in enumerate((axes[0], None, axes[1]))
    )
    assert (liked[:, None] > broken).float().mean() > 0.99
    if disliked:
        assert (liked[:, None] > others).float().mean() > 0.95 and found.low > 0.8
    assert found.against_disliked == bool(disliked) and head.weight.shape == (HEADS, 32)


def test_the_same_lesson_gives_the_same_head_in_inference_mode_too():
    first = learn(lesson())[0]
    with torch.inference_mode():
        second = learn(lesson())[0]
    assert all(torch.equal(a, b) for a, b in zip(first.buffers(), second.buffers(), strict=True))
    e = embeddings(2, 32, 5).requires_grad_()
    second(e).sum().backward()
    assert e.grad.abs().sum() > 0


def test_the_ensemble_is_the_more_careful_where_few_pictures_spoke():
    """One liked picture stands apart: the heads disagree on whether its direction counts."""
    taught = lesson(liked=16, copies=1)
    apart = F.normalize(torch.eye(32)[5] * 11 + torch.randn(32) * 0.1, dim=0)
    taught.liked[0] = apart
    head, _ = learn(taught, caution=1.0)
    deviation = head.logits(torch.stack([apart, taught.liked[1]])).std(1)
    assert deviation[0] > 1.5 * deviation[1]


def test_liked_pictures_weigh_as_much_as_all_others(monkeypatch):
    from reward_models.taste import learning

    seen = []

    def watched(examples, liked, weightings):
        seen.append((liked, weightings))
        return fit_logistic(examples, liked, weightings)

    monkeypatch.setattr(learning, "fit_logistic", watched)
    learn_single(lesson(liked=10, disliked=40, copies=3))
    learn_single(lesson(liked=10, disliked=0, copies=3))
    (liked, (weights,)), (_, (alone,)) = seen
    assert float(weights[liked].sum()) == pytest.approx(25) and float(weights[~liked].sum()) == pytest.approx(25)
    assert float(weights[-30:].sum()) == pytest.approx(25 * GUARD_SHARE)
    assert float(alone[:10].sum()) == pytest.approx(10) and float(alone[10:].sum()) == pytest.approx(10)
