"""Scores as numbers of seeds, against exact distributions and against seeds that are drawn many times."""

import math
from dataclasses import asdict

import pytest
import torch
from gper_pack.runs.seed_equivalent import FEWEST, REACH, SeedEquivalent, seed_equivalent
from scipy import stats


def drawn(n, seed=0):
    return torch.randn(n, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("n", [8, 16, 33])
def test_the_best_of_n_is_as_good_as_the_best_of_n(n):
    plain = drawn(n)
    found = seed_equivalent(float(plain.max()), plain)
    assert found.number == pytest.approx(n) and found.seeds == n and not found.above_all


@pytest.mark.parametrize("better", [1, 4, 15, 16])
def test_between_the_seeds_the_interval_is_the_exact_one_of_the_share(better):
    plain = torch.arange(16.0)
    found = seed_equivalent(15.5 - better, plain)
    share = stats.binomtest(better, 16).proportion_ci(0.9, "exact")
    for number, of in ((found.low, share.high), (found.high, share.low)):
        exact = math.log(0.5) / math.log1p(-of) if of < 1 else 0
        assert number == (pytest.approx(exact) if exact <= 160 else None)
    assert found.low < found.number < (found.high or math.inf)


@pytest.mark.parametrize("n, deviations", [(16, 2.0), (16, 2.5), (64, 2.5), (64, 3.0)])
def test_above_all_seeds_the_interval_is_that_of_the_noncentral_t(n, deviations):
    """Its lower end is where a score so far up would be seen in a twentieth of all samples; the upper one is open."""
    plain = torch.linspace(-1, 1, n, dtype=torch.float64)  # no higher than 1.7 deviations
    found = seed_equivalent(deviations * float(plain.std()), plain)
    assert found.above_all and found.high is None
    share = -math.expm1(math.log(0.5) / found.low)
    seen = stats.nct.sf(math.sqrt(n) * deviations, n - 1, math.sqrt(n) * stats.norm.isf(share))
    assert seen == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize("truth", [2, 10, 50])
@pytest.mark.parametrize("n", [8, 32])
def test_of_many_samples_nine_tenths_know_it(n, truth):
    """The score that the best of `truth` normal seeds reaches in half of all tries."""
    score = float(stats.norm.ppf(0.5 ** (1 / truth)))
    found = [seed_equivalent(score, drawn(n, seed)) for seed in range(300)]
    held = [(REACH * n if e.low is None else e.low) <= truth <= (e.high or math.inf) for e in found]
    assert sum(held) / 300 > 0.86
    numbers = sorted(e.number or math.inf for e in found)
    assert truth / 2 < numbers[150] < truth * 2


def test_a_higher_score_is_never_worth_fewer_seeds():
    plain = drawn(20)
    found = [seed_equivalent(score, plain) for score in torch.linspace(-3, 5, 400).tolist()]
    for name in ("number", "low", "high"):
        values = [math.inf if (value := getattr(e, name)) is None else value for e in found]
        assert values == sorted(values), name
    assert found[-1] == SeedEquivalent(20, None, None, None, True)
    above = [e for e in found if e.above_all]
    assert above and all(e.number is None or 20 <= e.number <= 200 for e in above)


@pytest.mark.parametrize("scale, shift", [(1e-6, 0.2), (1e4, -5.0)])
def test_units_do_not_matter(scale, shift):
    plain = drawn(16).double()
    for score in (-1.0, 0.5, 1.9):
        one, other = seed_equivalent(score, plain), seed_equivalent(score * scale + shift, plain * scale + shift)
        assert one.above_all == other.above_all
        assert (one.number, one.low) == pytest.approx((other.number, other.low), rel=1e-5)


@pytest.mark.parametrize(
    "score, plain",
    [
        (1.0, drawn(FEWEST - 1)),
        (1.0, torch.cat([drawn(FEWEST - 1), torch.tensor([torch.nan, torch.inf])])),
        (math.nan, drawn(20)),
        (math.inf, drawn(20)),
        (6.0, torch.full((20,), 5.0)),
        (6.0, 5.0 + 1e-7 * drawn(20)),
    ],
)
def test_nothing_is_said_of_too_little(score, plain):
    assert seed_equivalent(score, plain) is None


def test_what_is_not_finite_is_no_seed():
    plain = drawn(16)
    with_others = torch.cat([plain, torch.tensor([torch.nan, -torch.inf])])
    assert seed_equivalent(0.5, with_others) == seed_equivalent(0.5, plain)


def test_json_keeps_it():
    for score in (0.5, 2.5, 9.0):
        found = seed_equivalent(score, drawn(16))
        assert SeedEquivalent.from_json(asdict(found)) == found


@pytest.mark.parametrize(
    "change", [dict(seeds=1.5), dict(number="many"), dict(low=True), dict(above_all=1), dict(another=1)]
)
def test_other_json_is_refused(change):
    with pytest.raises(TypeError):
        SeedEquivalent.from_json({**asdict(seed_equivalent(0.5, drawn(16))), **change})
    for value in (3, None, [], {}):
        with pytest.raises(TypeError):
            SeedEquivalent.from_json(value)
