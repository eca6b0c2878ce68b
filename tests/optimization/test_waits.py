"""How often one step waits for the device, and that samples are not looped over."""

from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from optimization import Stopping, ascend
from preconditioning import Unconstrained, WhiteGaussianProjector

from .far_device import FarDevice


def as_picture(noise):
    return torch.sigmoid(noise)


def brightness(images):
    return images.mean((1, 2, 3))


def noise(batch=2):
    return torch.randn(batch, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def ascent(steps, reward=brightness, preconditioner=None, batch=2):
    with FarDevice() as device:
        record = ascend(
            device.to(noise(batch)), as_picture, reward, preconditioner or Unconstrained(), stopping=Stopping(steps)
        )
    return device.waits, record


def waits_per_step(*settings, **more):
    return (ascent(6, *settings, **more)[0] - ascent(3, *settings, **more)[0]) / 3


def test_one_wait_per_step():
    """To read the reward; whether the gradient is finite comes with it."""
    assert waits_per_step() == 1


def test_the_projector_waits_a_few_times_whatever_the_batch():
    """For each of its two projections: is it finite, which blocks need care, and do those need more."""
    assert waits_per_step(preconditioner=WhiteGaussianProjector(), batch=9) <= 1 + 2 * 4


def test_the_pretended_device_computes_the_same():
    _, far = ascent(4, preconditioner=WhiteGaussianProjector())
    near = ascend(noise(), as_picture, brightness, WhiteGaussianProjector(), stopping=Stopping(4))
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
