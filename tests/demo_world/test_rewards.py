import pytest
import torch

from demo_world import load_held_out_reward, load_realism, load_reward
from demo_world.painter import paint
from demo_world.scene import plan
from demo_world.taste import taste
from demo_world.train.broken import BREAKS

pytestmark = pytest.mark.numerical

LOADERS = {"target": load_reward, "held out": load_held_out_reward}


@pytest.fixture(scope="module", params=list(LOADERS))
def reward(request):
    return LOADERS[request.param]()


@pytest.fixture(scope="module")
def unseen():
    generator = torch.Generator().manual_seed(987_654_322)
    scene = plan(torch.randn(96, 16, 8, 8, generator=generator), torch.arange(96) % 4)
    return paint(scene)[0], taste(scene)


def test_scores_follow_the_taste_on_unseen_pictures(reward, unseen):
    pictures, scores = unseen
    assert torch.corrcoef(torch.stack([reward(pictures), scores]))[0, 1] > 0.8


@pytest.mark.parametrize("size", [(64, 64), (128, 96), (48, 200)])
def test_any_size_gives_one_bounded_score_for_each_picture(reward, size):
    images = torch.rand(3, 3, *size, generator=torch.Generator().manual_seed(0), requires_grad=True)
    scores = reward(images, ["day", "night", "winter"])
    assert scores.shape == (3,) and (scores >= 0).all() and (scores <= 10).all()
    (gradient,) = torch.autograd.grad(scores.sum(), images)
    assert gradient.isfinite().all() and (gradient.flatten(1).abs().amax(1) > 0).all()


def test_larger_picture_scores_alike(reward, unseen):
    pictures = unseen[0][:16]
    larger = torch.nn.functional.interpolate(pictures, scale_factor=4, mode="nearest")
    torch.testing.assert_close(reward(larger), reward(pictures), atol=0.5, rtol=0)


def test_half_precision_pictures_are_scored(reward, unseen):
    pictures = unseen[0][:4]
    torch.testing.assert_close(reward(pictures.half()), reward(pictures), atol=0.05, rtol=0)


def test_wrong_images_are_named(reward):
    with pytest.raises(ValueError, match=r"images must be \(B, 3, H, W\)"):
        reward(torch.zeros(1, 64, 64, 3))


def test_values_of_another_range_are_refused_every_time(reward, unseen):
    pictures = unseen[0][:1]
    for _ in range(2):
        reward(pictures)
        for other in (255 * pictures, 4 * pictures - 2):
            with pytest.raises(ValueError, match=r"in \[0, 1\], got values from"):
                reward(other)


@pytest.mark.parametrize("breakage", BREAKS, ids=lambda f: f.__name__.strip("_"))
def test_broken_pictures_are_seen(unseen, breakage):
    """The judge finds them unreal, the held-out reward less good."""
    pictures = unseen[0]
    broken = breakage(pictures, torch.Generator().manual_seed(5))
    held_out, judge = load_held_out_reward(), load_realism()
    assert held_out(broken).mean() < 0.5 * held_out(pictures).mean()
    if breakage.__name__ not in ("_blur", "_fog"):  # smooth pictures are easy to restore
        assert judge(broken).mean() > 2 * judge(pictures).mean()


def test_rewards_differ_in_architecture():
    assert {type(m).__name__ for m in load_reward().modules()} & {"Conv2d"}
    assert not {type(m).__name__ for m in load_held_out_reward().modules()} & {"Conv2d"}
