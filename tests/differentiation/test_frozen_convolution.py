"""Convolutions that do not keep their input: the same bits as torch's, and less memory."""

import pytest
import torch
from torch import nn

from differentiation import frozen_convolutions
from tools.live_memory import LiveMemory

pytestmark = pytest.mark.numerical


def gradient(network, x):
    x = x.clone().requires_grad_(True)
    y = network(x)
    return y.detach(), torch.autograd.grad((y**3).sum(), x)[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize(
    "settings",
    [
        dict(kernel_size=3, padding=1),
        dict(kernel_size=1, bias=False),
        dict(kernel_size=3, stride=2, padding=(1, 0)),
        dict(kernel_size=3, dilation=2, groups=4),
        dict(kernel_size=3, padding="same"),
        dict(kernel_size=3, padding=1, padding_mode="reflect"),
    ],
)
def test_the_same_bits(settings, dtype):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(4, 8, **settings), nn.SiLU(inplace=True), nn.Conv2d(8, 4, **settings))
    network.to(dtype).requires_grad_(False)
    x = torch.randn(2, 4, 13, 11, dtype=dtype)
    expected = gradient(network, x)
    with frozen_convolutions(network):
        found = gradient(network, x)
    assert expected[1].norm() > 0
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_the_input_is_not_kept():
    network = nn.Sequential(*[nn.Conv2d(4, 4, 3, padding=1, bias=False) for _ in range(5)]).requires_grad_(False)
    x = torch.randn(1, 4, 32, 32, requires_grad=True)
    kept = {}
    for frozen in (False, True):
        with LiveMemory() as memory, frozen_convolutions(*[network] if frozen else []):
            y = network(x)
        kept[frozen] = memory.live
        del y
    picture = x.nbytes
    assert kept == {False: 5 * picture, True: picture}


def test_layers_are_as_they_were_also_after_an_error():
    patched, plain = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)
    mine = patched._conv_forward = plain._conv_forward
    with pytest.raises(MemoryError), frozen_convolutions(nn.Sequential(patched, plain)):
        assert patched._conv_forward is not mine
        raise MemoryError
    assert patched._conv_forward is mine and "_conv_forward" not in plain.__dict__
