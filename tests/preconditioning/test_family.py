"""What every preconditioner of the family promises."""

import pytest
import torch

import preconditioning
from preconditioning import RECIPES, OrderStatisticWhitener

pytestmark = pytest.mark.numerical

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
WITHOUT_A_RECIPE = {"order statistics": OrderStatisticWhitener()}
MEMBERS = {name: recipe.preconditioner for name, recipe in RECIPES.items()} | WITHOUT_A_RECIPE
EVERY = pytest.mark.parametrize("preconditioner", MEMBERS.values(), ids=MEMBERS)


def pair(batch: int = 3, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    gradient = 1e-3 * torch.randn(batch, 4, 8, 8, generator=generator)
    return gradient.to(dtype), (0.3 + 1.4 * torch.randn(batch, 4, 8, 8, generator=generator)).to(dtype)


def test_every_member_is_tested() -> None:
    members = {
        value for value in vars(preconditioning).values() if isinstance(value, type) and hasattr(value, "retract")
    }
    assert members == {type(member) for member in MEMBERS.values()}


@EVERY
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_keeps_shape_dtype_device_and_input(preconditioner, dtype: torch.dtype, device: str) -> None:
    gradient, noise = (t.to(device) for t in pair(dtype=dtype))
    before = gradient.clone(), noise.clone()
    with torch.inference_mode():
        results = preconditioner.precondition(gradient, noise), preconditioner.retract(noise)
    for result in results:
        assert (result.shape, result.dtype, result.device) == (noise.shape, dtype, noise.device)
        assert result.isfinite().all()
    assert torch.equal(gradient, before[0]) and torch.equal(noise, before[1])


@EVERY
def test_is_deterministic_and_leaves_the_global_generator_alone(preconditioner) -> None:
    gradient, noise = pair()
    state = torch.get_rng_state()
    first = preconditioner.precondition(gradient, noise)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(preconditioner.precondition(gradient, noise), first)


@EVERY
def test_samples_are_independent(preconditioner) -> None:
    gradient, noise = pair()
    together = preconditioner.precondition(gradient, noise), preconditioner.retract(noise)
    for i in range(3):
        one = slice(i, i + 1)
        alone = preconditioner.precondition(gradient[one], noise[one]), preconditioner.retract(noise[one])
        for a, b in zip(together, alone, strict=True):
            torch.testing.assert_close(a[one], b, rtol=1e-5, atol=1e-5)


@EVERY
def test_climbs(preconditioner) -> None:
    """Near white noise, the direction still has a positive component along the reward's gradient."""
    gradient, noise = pair()
    direction = preconditioner.precondition(gradient, (noise - 0.3) / 1.4)
    assert ((direction * gradient).flatten(1).sum(1) > 0).all()


@EVERY
def test_members_compare_by_their_settings(preconditioner) -> None:
    assert preconditioner == type(preconditioner)() and hash(preconditioner) == hash(type(preconditioner)())
