"""The published penalties: gradients against autograd through each paper's formula, written out plainly."""

import math

import pytest
import torch

from preconditioning import NormPenalty, SpectrumPenalty, SubsetPenalty
from preconditioning.norm_penalty import norm_penalty, norm_penalty_gradient
from preconditioning.permutations import permutation_generators

pytestmark = pytest.mark.numerical


def noises(*shape: int) -> torch.Tensor:
    """White, too long, off centre and blurred samples, so that every term of a penalty is at work in one."""
    x = torch.randn(4, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    x[1] *= 1.8
    x[2] += 0.9
    x[3] += x[3].roll(1, -1)
    return x


def autograd(penalty, x: torch.Tensor) -> torch.Tensor:
    x = x.clone().requires_grad_()
    return torch.autograd.grad(penalty(x), x)[0]


def orders(sample: torch.Tensor, seed: int, count: int) -> list[torch.Tensor]:
    generator = permutation_generators(sample.flatten()[None], seed)[0]
    return [torch.randperm(sample.numel(), generator=generator) for _ in range(count)]


def mpgr(x: torch.Tensor, order: torch.Tensor, block_size: int, spectrum_weight: float) -> torch.Tensor:
    x = x.flatten()
    n = x.numel()
    moments = x.mean().abs() + ((x**2).mean().abs() ** 0.5 - 1).abs()
    angle = 2 * math.pi / n * (torch.arange(n)[:, None] * torch.arange(n) % n).double()
    full = torch.complex(angle.cos(), -angle.sin()) @ x[order].to(torch.complex128) / math.sqrt(n)
    magnitudes = torch.cat(
        [torch.hypot(full[:1].real, full[n // 2 : n // 2 + 1].real) / math.sqrt(2), full[1 : n // 2].abs()]
    )
    blocks = [(block.mean() - math.sqrt(math.pi) / 2).abs() for block in magnitudes.split(block_size)]
    return moments + spectrum_weight * sum(blocks) / len(blocks)


def prno(x: torch.Tensor, permutations: list[torch.Tensor], k: int) -> torch.Tensor:
    x, total = x.flatten(), 0.0
    m = x.numel() // k
    for order in permutations:
        z = x[order][: m * k].view(m, k)
        m1 = z.mean(0).norm()
        m2 = torch.linalg.matrix_norm(z.T @ z / m - torch.eye(k, dtype=z.dtype), ord=2)
        log_p1 = math.log(2) - m * m1**2 / (2 * k)
        log_p2 = math.log(2) - m / 2 * ((1 + m2).sqrt() - 1 - math.sqrt(k / m)).clamp_min(0) ** 2
        total = total - log_p1.clamp_max(0) - log_p2.clamp_max(0)
    return total / len(permutations)


def test_norm_penalty_is_the_chi_log_density() -> None:
    """log p(r) = (N - 1) log r - r^2 / 2 + const, from torch's chi-squared density of r^2."""
    x = noises(3, 4)
    radius = x.flatten(1).norm(dim=1)
    log_density = torch.distributions.Chi2(12.0).log_prob(radius**2) + (2 * radius).log()
    constant = log_density + norm_penalty(x)
    torch.testing.assert_close(constant, constant[:1].expand(4), rtol=1e-6, atol=1e-6)


def test_norm_penalty_gradient() -> None:
    x = noises(3, 4)
    expected = autograd(lambda x: norm_penalty(x).sum(), x)
    torch.testing.assert_close(norm_penalty_gradient(x), expected)
    reward_gradient = torch.ones_like(x)
    torch.testing.assert_close(NormPenalty(0.3).precondition(reward_gradient, x), 1 - 0.3 * expected)


def test_norm_penalty_leads_to_the_length_of_white_noise() -> None:
    x = noises(4, 16)
    penalty = NormPenalty(0.1)
    for _ in range(200):
        x = x + penalty.precondition(torch.zeros_like(x), x)
    torch.testing.assert_close(x.flatten(1).norm(dim=1), torch.full((4,), math.sqrt(63)).double())


def test_norm_penalty_of_a_zero_sample_is_finite() -> None:
    assert norm_penalty_gradient(torch.zeros(2, 8)).eq(0).all()


@pytest.mark.parametrize(("shape", "block_size"), [((2, 8, 8), 16), ((2, 5, 6), 8), ((2, 20), 16)])
def test_spectrum_penalty_gradient(shape: tuple[int, ...], block_size: int) -> None:
    x = noises(*shape)
    penalty = SpectrumPenalty(spectrum_weight=7, block_size=block_size, seed=5)
    for sample, gradient in zip(x, penalty.penalty_gradient(x), strict=True):
        order = orders(sample, 5, 1)[0]
        expected = autograd(lambda x, o=order: mpgr(x, o, block_size, 7), sample)
        torch.testing.assert_close(gradient, expected, rtol=1e-8, atol=1e-12)


def test_spectrum_penalty_has_the_length_of_the_reward_gradient() -> None:
    x = noises(2, 8, 8)
    reward_gradient = 10.0 ** torch.arange(-4, 4, 2).double().view(4, 1, 1, 1) * noises(2, 8, 8).flip(0)
    reward_gradient[3] = 0
    subtracted = reward_gradient - SpectrumPenalty(weight=0.5).precondition(reward_gradient, x)
    lengths = [t.flatten(1).norm(dim=1) for t in (subtracted, reward_gradient)]
    torch.testing.assert_close(lengths[0], 0.5 * lengths[1])


@pytest.mark.parametrize(("shape", "k", "count"), [((2, 8, 8), 4, 5), ((2, 5, 6), 7, 3), ((6,), 4, 2)])
def test_subset_penalty_gradient(shape: tuple[int, ...], k: int, count: int) -> None:
    x = 1.5 * noises(*shape)
    gradients = SubsetPenalty(subset_size=k, permutations=count, seed=9).penalty_gradient(x)
    for sample, gradient in zip(x, gradients, strict=True):
        permutations = orders(sample, 9, count)
        expected = autograd(lambda x, o=permutations: prno(x, o, k), sample)
        torch.testing.assert_close(gradient, expected, rtol=1e-8, atol=1e-12)
    assert gradients[2].norm() > 0


def test_subset_penalty_pushes_out_where_the_covariance_is_too_small() -> None:
    x = 0.2 * torch.randn(1, 512, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    gradient = SubsetPenalty(permutations=3).penalty_gradient(x)
    expected = autograd(lambda x: prno(x, orders(x[0].detach(), 0, 3), 4), x)
    assert (gradient * x).sum() < 0
    torch.testing.assert_close(gradient, expected, rtol=1e-8, atol=1e-12)


def test_subset_penalty_leaves_likely_noise_alone() -> None:
    """p_1 = 1 where a chi^2 of k = 4 degrees is below 8 log 2, in 76 % of draws; p_2 = 1 in nearly all."""
    x = torch.randn(400, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    untouched = SubsetPenalty(permutations=1).penalty_gradient(x).flatten(1).eq(0).all(1)
    assert 0.68 < untouched.float().mean() < 0.84


def test_subset_penalty_in_pieces_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x = noises(2, 8, 8)
    whole = SubsetPenalty(permutations=7).penalty_gradient(x)
    monkeypatch.setattr("preconditioning.subset_penalty._ELEMENTS_AT_ONCE", 3 * x[0].numel())
    torch.testing.assert_close(SubsetPenalty(permutations=7).penalty_gradient(x), whole)


@pytest.mark.parametrize(
    ("penalty", "rate", "tolerance"),
    [
        (SubsetPenalty(permutations=4), 0.3, 0.2),  # rests once both probabilities are 1
        (SpectrumPenalty(), 10.0, 0.05),
    ],
)
def test_penalties_lead_back_to_mean_zero_and_variance_one(penalty, rate: float, tolerance: float) -> None:
    x = noises(2, 16, 16)[1:3]
    for step in range(300):
        x = x - rate * 0.98**step * penalty.penalty_gradient(x)
    assert (x.flatten(1).square().mean(1).sqrt() - 1).abs().max() < tolerance
    assert x.flatten(1).mean(1).abs().max() < tolerance


@pytest.mark.parametrize("penalty_class", [SubsetPenalty, SpectrumPenalty])
def test_permutations_follow_seed_and_noise(penalty_class: type) -> None:
    x = noises(2, 8, 8)[1:]
    first, again = penalty_class().penalty_gradient(x), penalty_class().penalty_gradient(x.clone())
    assert torch.equal(first, again)
    assert not torch.equal(first, penalty_class(seed=1).penalty_gradient(x))
    moved = x.clone()
    moved[:, 0, 0, 0] += 1e-3
    generators = [permutation_generators(t.flatten(1).float(), 0)[0].initial_seed() for t in (x, moved)]
    assert generators[0] != generators[1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SubsetPenalty(subset_size=1), "subset_size must be at least 2"),
        (lambda: SubsetPenalty(permutations=0), "permutations must be at least 1"),
        (lambda: SubsetPenalty(subset_size=9).penalty_gradient(torch.ones(1, 8)), "subset_size = 9 elements, got 8"),
        (lambda: SpectrumPenalty(block_size=1), "block_size"),
        (lambda: SpectrumPenalty().penalty_gradient(torch.ones(1, 7)), "even number of elements, got 7"),
    ],
)
def test_unusable_settings_are_named(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
