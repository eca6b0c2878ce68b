"""Gradients through a stage in float16 do not depend on the scale of the reward, and others stay bit for bit."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from differentiation import with_scaled_gradient

pytestmark = pytest.mark.numerical

FACTORS = [1e4, 1.0, 1e-3, 1e-6, 1e-9]


def network(dtype):
    torch.manual_seed(0)
    layers = [torch.nn.Linear(24, 24), torch.nn.GELU(), torch.nn.Linear(24, 24), torch.nn.Tanh()]
    module = torch.nn.Sequential(*layers).requires_grad_(False).to(dtype)
    return lambda x: module(x.to(dtype)).float()


def gradient(stage, factor, x=None):
    x = torch.randn(3, 24, generator=torch.Generator().manual_seed(1)) if x is None else x
    x.requires_grad_(True)
    weights = torch.linspace(-1, 1, 24) * torch.tensor([[1.0], [0.1], [3.0]])  # samples of different sizes
    return torch.autograd.grad((stage(x) * weights).sum() * factor, x)[0] / factor


def relative(a, b):
    return ((a - b).norm(dim=1) / b.norm(dim=1)).max().item()


@pytest.mark.parametrize("factor", FACTORS)
def test_float16_gradients_do_not_depend_on_the_scale(factor):
    expected = gradient(network(torch.float32), 1.0)
    assert relative(gradient(with_scaled_gradient(network(torch.float16)), factor), expected) < 5e-3


def test_without_scaling_small_float16_gradients_vanish():
    expected = gradient(network(torch.float32), 1.0)
    assert relative(gradient(network(torch.float16), 1e-6), expected) > 0.5


class FactorFirst(TorchDispatchMode):
    """Casts a single number to the other factor's dtype before they are multiplied: a GPU does so on either side, a
    CPU only on the left."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten.mul.Tensor and isinstance(args[1], torch.Tensor) and not args[1].dim():
            args = args[::-1]
        return func(*args, **(kwargs or {}))


def test_a_factor_beyond_float16_does_not_overflow():
    size = 2.0**-24
    x = torch.ones(1, 3, requires_grad=True)
    stage = with_scaled_gradient(lambda x: x.to(torch.float16).clone())
    with FactorFirst():
        (found,) = torch.autograd.grad(stage(x), x, torch.full((1, 3), size, dtype=torch.float16))
    assert found.tolist() == [[size] * 3]


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_other_gradients_are_the_same_bits(dtype, factor):
    plain, scaled = (gradient(stage, factor) for stage in (network(dtype), with_scaled_gradient(network(dtype))))
    assert torch.equal(plain, scaled)


def test_values_are_those_of_the_stage():
    stage, x = network(torch.float16), torch.randn(2, 24)
    assert torch.equal(with_scaled_gradient(stage)(x), stage(x))
    assert torch.equal(with_scaled_gradient(stage)(x.clone().requires_grad_(True)), stage(x))


def test_stages_one_after_another_have_scales_of_their_own():
    first, second = network(torch.float16), network(torch.float16)
    expected = gradient(lambda x: network(torch.float32)(network(torch.float32)(x) * 1e-5), 1.0)
    found = gradient(lambda x: with_scaled_gradient(second)(with_scaled_gradient(first)(x) * 1e-5), 1.0)
    plain = gradient(lambda x: second(first(x) * 1e-5), 1.0)
    assert relative(found, expected) < 1e-2 < relative(plain, expected)


def test_zero_infinite_and_nan_stay():
    x = torch.ones(4, 2, requires_grad=True)
    coming = torch.tensor([[0.0, 0.0], [torch.inf, 1.0], [torch.nan, 1.0], [1e-30, 0.0]])
    stage = with_scaled_gradient(lambda x: x * 1)
    (found,) = torch.autograd.grad(stage(x), x, coming)
    assert found[0].tolist() == [0, 0] and found[1, 0] == torch.inf and found[2, 0].isnan()
    assert torch.equal(found[3], coming[3])


def test_samples_may_depend_on_one_another():
    """As where other packs share attention over the batch."""

    def coupled(x):
        return torch.tanh(x + 3 * x.flip(0) * x.mean())

    plain, scaled = (gradient(stage, 1e-7) for stage in (coupled, with_scaled_gradient(coupled)))
    assert relative(scaled, plain) < 1e-6


def test_every_argument_gets_its_gradient():
    x, y = (torch.randn(2, 3, generator=torch.Generator().manual_seed(s)).requires_grad_(True) for s in (1, 2))
    z = torch.ones(2, 3)

    def gradients(stage):
        return torch.autograd.grad(1e-6 * stage(x, y, z).sum(), (x, y))

    def stage(x, y, z):
        return (x * y + z).sin()

    for plain, scaled in zip(gradients(stage), gradients(with_scaled_gradient(stage)), strict=True):
        assert relative(scaled, plain) < 1e-6


def test_a_result_may_be_changed_in_place():
    x = torch.ones(1, 2, requires_grad=True)
    result = with_scaled_gradient(lambda x: x * 3)(x)
    result += 1
    assert torch.autograd.grad(result.sum(), x)[0].tolist() == [[3, 3]]
