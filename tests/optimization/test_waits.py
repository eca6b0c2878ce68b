"""How often one step waits for the device, and that samples are not looped over."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from optimization import SeedsFirst, Stopping, ascend
from preconditioning import RECIPES, Unconstrained, WhiteGaussianProjector, project_white_gaussian
from reward_models import constants, preprocess
from reward_models.colour_palette import srgb_to_lab
from reward_models.picture_statistics import PictureStatistic, sharpness
from reward_models.preprocess import CLIP_MEAN, CLIP_STD, normalise, shorter_edge_crop

from .far_device import FarDevice
from .hills import as_picture, brightness


@pytest.fixture(autouse=True)
def no_far_constants_left():
    yield
    constants._uploaded.cache_clear()
    preprocess._resampling_matrix.cache_clear()


def noise(batch=2):
    return torch.randn(batch, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def ascent(steps, reward=brightness, preconditioner=None, batch=2, **options):
    with FarDevice() as device:
        record = ascend(
            device.to(noise(batch)),
            as_picture,
            reward,
            preconditioner or Unconstrained(),
            stopping=Stopping(steps),
            **options,
        )
    return device.waits, record


def waits_per_step(*settings, **more):
    return (ascent(6, *settings, **more)[0] - ascent(3, *settings, **more)[0]) / 3


def test_one_wait_per_step():
    """To read the reward; whether the gradient is finite comes with it."""
    assert waits_per_step() == 1


def test_no_further_wait_for_what_rewards_do_to_pictures():
    """Resizing and normalising; the numbers for it are uploaded in the first step."""

    def prepared(images):
        pixels = normalise(shorter_edge_crop(images, 5), CLIP_MEAN, CLIP_STD)
        return pixels.square().mean((1, 2, 3)) + sharpness(images) + srgb_to_lab(images).mean((1, 2, 3))

    ascent(1, prepared)
    assert waits_per_step(prepared) == 1


def test_no_further_wait_for_the_range_of_the_pictures():
    """The ascent makes them itself; pictures that come from elsewhere are checked."""
    reward = PictureStatistic("sharpness")
    ascent(1, reward)
    assert waits_per_step(reward) == 1


@pytest.mark.parametrize("block_size", [2, 4, 16, 17, 64])
def test_no_further_wait_for_the_projector(block_size):
    assert waits_per_step(preconditioner=WhiteGaussianProjector(block_size), batch=9) == 1


KEPT_NEAR = replace(RECIPES["GPER"], strength=0.01, optimizer="Momentum", schedule="falling").arguments(0.1)


def test_no_further_wait_to_stay_near_the_start():
    assert waits_per_step(**KEPT_NEAR) == 1


def test_the_pretended_device_stays_as_near():
    _, far = ascent(4, **KEPT_NEAR)
    near = ascend(noise(), as_picture, brightness, stopping=Stopping(4), **KEPT_NEAR)
    torch.testing.assert_close(far.best_noise.near, near.best_noise, rtol=0, atol=1e-5)
    free = ascend(noise(), as_picture, brightness, stopping=Stopping(4), **KEPT_NEAR | {"retraction": None})
    assert (free.best_noise - near.best_noise).abs().max() > 0.1


def test_a_seed_is_one_wait():
    """To read its reward; the draw is uploaded in another."""

    def waits(count):
        seeds = SeedsFirst(count, lambda step: noise())
        return ascent(1, seeds_first=seeds)[0]

    assert waits(9) - waits(5) == 4 * 2


def test_pictures_may_stand_on_another_device_than_the_noise():
    """As with --cpu-vae: a transfer of the pictures is added, and one of the rewards to where the gradient is."""
    with FarDevice() as device:
        far = ascend(
            device.to(noise()), lambda x: as_picture(x).to("cpu"), brightness, Unconstrained(), stopping=Stopping(3)
        )
    near = ascend(noise(), as_picture, brightness, Unconstrained(), stopping=Stopping(3))
    assert torch.equal(far.reward_history(), near.reward_history())


@pytest.mark.parametrize("block_size", [4, 16, 200])
def test_the_pretended_device_computes_the_same(block_size):
    projector = WhiteGaussianProjector(block_size)
    _, far = ascent(4, preconditioner=projector)
    near = ascend(noise(), as_picture, brightness, projector, stopping=Stopping(4))
    assert torch.equal(far.reward_history(), near.reward_history())
    assert torch.equal(far.best_noise.near, near.best_noise)


@pytest.mark.parametrize(
    "read",
    [
        lambda images: images.mean().item(),
        lambda images: images[images > 0.5],
        lambda images: images.nonzero(),
        lambda images: images.cpu(),
        lambda images: bool((images > 2).any()),
        lambda images: torch.ones(2).to(images.device),
    ],
)
def test_other_waits_are_noticed(read):
    def reads(images):
        read(images.detach())
        return brightness(images)

    assert waits_per_step(reads) == 2


class Operations(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is not torch.ops.aten.view.default:  # depends on how tensors happen to lie in memory
            self.counts[func] += 1
        return func(*args, **(kwargs or {}))


def test_no_loop_over_the_batch():
    """A step takes the same operations for two samples as for seven."""
    counts = []
    for batch in (2, 7):
        with Operations() as operations:
            ascend(noise(batch), as_picture, brightness, WhiteGaussianProjector(), stopping=Stopping(3))
        counts.append(operations.counts)
    assert counts[0] == counts[1]


def _awkward(name):
    x = torch.zeros(2, 1024, dtype=torch.float64)
    if name == "impulse":
        x[:, 7] = 3.0
    elif name == "constant":
        x += 2.0
    elif name == "one frequency":
        x += torch.cos(torch.arange(1024) * 0.3)
    elif name == "outliers":
        x = torch.randn(2, 1024, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) ** 5
    return x.float()


@pytest.mark.parametrize("name", ["zero", "impulse", "constant", "one frequency", "outliers"])
@pytest.mark.parametrize("block_size", [2, 16, 200])
def test_awkward_noise_projects_alike_on_the_pretended_device(name, block_size):
    """There every block takes the path that only special ones take on the CPU."""
    x = _awkward(name)
    with FarDevice() as device:
        far = project_white_gaussian(device.to(x), block_size, check_finite=False)
    torch.testing.assert_close(far.near, project_white_gaussian(x, block_size))
