"""The judge of what 64 pixels do not show."""

import pytest
import torch
from torch.nn import functional as F

from demo_world import load_realism
from demo_world.painter import paint
from demo_world.realism_detail import DetailJudge
from demo_world.scene import plan

pytestmark = pytest.mark.numerical


@pytest.fixture(scope="module")
def judge():
    return load_realism()


@pytest.fixture(scope="module", params=[(2, 8), (4, 4)], ids=["128 pixels", "256 pixels"])
def unseen(request):
    scale, count = request.param
    noise = torch.randn(count, 16, 8 * scale, 8 * scale, generator=torch.Generator().manual_seed(987_654_323))
    return paint(plan(noise, torch.arange(count) % 4))[0]


def test_the_error_is_the_mean_of_both(judge, unseen):
    whole = load_realism().whole(unseen)
    torch.testing.assert_close(judge(unseen), (whole + judge.detail(unseen)) / 2)


@pytest.mark.parametrize("size", [(64, 64), (96, 96), (128, 256)])
def test_other_sizes_are_judged_without_it(judge, size):
    pictures = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    assert torch.equal(judge(pictures), load_realism().whole(pictures))
    with pytest.raises(ValueError, match="of 128 x 128 or 256 x 256 pixels, got"):
        judge.detail(pictures)


def test_painter_pictures_look_like_painter_pictures(judge, unseen):
    assert judge.detail(unseen).median() < 2


def spoiled(pictures, how):
    """What a downsample to 64 pixels does not show."""
    generator = torch.Generator().manual_seed(0)
    if how == "grain":
        return pictures + 0.04 * torch.randn(pictures.shape, generator=generator)
    if how == "checkerboard":
        sign = 1 - 2.0 * (torch.arange(pictures.shape[-1]) % 2)
        return pictures + 0.04 * sign[:, None] * sign
    if how == "soft":
        small = F.interpolate(pictures, scale_factor=0.5, mode="area")
        return F.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
    junk = torch.rand(len(pictures), 3, 16, 16, generator=generator)
    pictures = pictures.clone()
    pictures[:, :, 24:40, 40:56] = junk
    return pictures


@pytest.mark.parametrize("how", ["grain", "checkerboard", "soft", "a small patch"])
def test_spoiled_detail_is_seen(judge, unseen, how):
    spoilt = spoiled(unseen, how).clamp(0, 1)
    assert judge.detail(spoilt).mean() > 2 * judge.detail(unseen).mean()


def test_statistics_are_of_each_size():
    detail, generator = DetailJudge(), torch.Generator().manual_seed(0)
    for size in (128, 256):
        features = torch.randn(4000, 48, generator=generator) @ torch.randn(48, 48, generator=generator) + size
        detail.calibrate(features, size)
        mean, whitening = getattr(detail, f"mean_{size}"), getattr(detail, f"whitening_{size}")
        torch.testing.assert_close(torch.cov(((features - mean) @ whitening.T).T), torch.eye(48), atol=1e-2, rtol=0)


def test_it_has_a_gradient(judge, unseen):
    images = unseen[:1].clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(judge(images).sum(), images)
    assert gradient.isfinite().all() and gradient.abs().max() > 0
