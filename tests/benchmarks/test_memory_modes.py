"""The gradient in every memory mode: when two gradients count as the same, and how a server is started."""

import sys
from types import SimpleNamespace

import pytest
import torch

from benchmarks.memory_modes import __main__ as memory_modes
from benchmarks.memory_modes.gradient_node.repeatable import repeatable_arithmetic, repeatably
from benchmarks.memory_modes.models import Subject
from benchmarks.memory_modes.report import Run, all_same, compare, compared, cosine, markdown, relative_difference
from benchmarks.memory_modes.serving import GIB, HALF, WAYS, possible_ways, with_half

FLAGS = {flag for ways in WAYS.values() for way in ways for flag in way if flag.startswith("--")}


def random(seed=0):
    return torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(seed))


def moved(gradient, distance):
    """At this relative distance from the gradient."""
    aside = random(seed=1)
    return gradient + distance * gradient.norm() * aside / aside.norm()


def run(gradient, dtype="float32", flags=("--first",), memory="keep", as_run=None, computing="float32", vae="float32"):
    facts = {
        "compute_dtype": computing, "vae_dtype": vae, "seconds": [2.0, 1.0], "peak_bytes": 3 * GIB,
        "loaded_bytes": 1, "model_bytes": 4, "streamed": True,
    }  # fmt: skip
    return Run("flux", dtype, flags, memory, gradient, gradient if as_run is None else as_run, facts)


def same(found, expected, in_32_bit=None):
    return compare(found, expected, in_32_bit).same


@pytest.mark.parametrize("distance", [0.0, 1e-6, 0.3])
def test_relative_difference_is_the_distance(distance):
    assert relative_difference(moved(random(), distance), random()) == pytest.approx(distance, rel=1e-3)


def test_cosine_of_an_angle():
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([1.0, 3.0**0.5])
    assert cosine(a, b) == pytest.approx(0.5) and cosine(a, -5 * a) == -1.0


@pytest.mark.parametrize(("dtype", "limit"), [("float32", 1e-5), ("bfloat16", 1e-3)])
def test_a_disturbed_gradient_breaks_the_limit(dtype, limit):
    reference = run(random(), dtype)
    assert same(run(moved(random(), 0.5 * limit), dtype), reference)
    assert not same(run(moved(random(), 2 * limit), dtype), reference)


@pytest.mark.parametrize("broken", [torch.full((1, 16, 8, 8), torch.nan), torch.full((1, 16, 8, 8), torch.inf)])
def test_what_is_not_finite_is_not_the_same(broken):
    assert not same(run(broken), run(random()))
    assert not same(run(random()), run(broken))
    assert not same(run(random(), as_run=broken), run(random()))


def test_the_run_of_a_user_may_round_but_not_use_other_weights():
    assert same(run(random(), as_run=moved(random(), 0.01)), run(random()))
    assert not same(run(random(), as_run=moved(random(), 0.5)), run(random()))


@pytest.mark.parametrize("computing", [{"computing": "bfloat16"}, {"vae": "bfloat16"}])
def test_computing_in_16_bit_the_limit_is_twice_the_rounding(computing):
    exact, reference = run(random()), run(moved(random(), 0.01), "bfloat16", **computing)
    assert same(run(moved(random(), -0.006), "bfloat16", **computing), reference, exact)
    assert not same(run(moved(random(), -0.02), "bfloat16", **computing), reference, exact)


def test_computing_in_32_bit_the_limit_stays():
    exact, reference = run(random()), run(moved(random(), 0.01), "bfloat16")
    assert not same(run(moved(random(), -0.006), "bfloat16"), reference, exact)


def test_16_bit_weights_that_compute_in_32_bit_point_where_32_bit_weights_do():
    aside = run(moved(random(), 0.02), "bfloat16")  # cosine 0.9998
    assert same(aside, aside) and not same(aside, aside, run(random()))


def test_rows_and_verdicts():
    refused = Run("flux", "float32", ("--third",), "keep", failure="ValueError: start it\nwith a | b")
    first, other = run(random()), run(random(), flags=())
    rows = compared([first, other])
    assert [row["verdict"] for row in rows] == ["reference", "same"] and all_same(rows)
    rows = compared([first, other, run(moved(random(), 1e-3), flags=("--second",)), refused])
    assert [row["verdict"] for row in rows[2:]] == ["DIFFERENT", refused.failure] and not all_same(rows)
    lines = markdown(rows).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert "| nothing | keep | 25%, dynamic | 0.0e+00 | 1.0e-05 | 1.000000 |" in lines[3] and "3.00 GiB" in lines[3]
    assert "start it with a / b" in lines[5]


def test_nothing_is_the_same_as_a_reference_that_failed():
    rows = compared([Run("flux", "float32", (), "keep", failure="gone"), run(random(), flags=("--second",))])
    assert rows[1]["verdict"] == "no reference to compare with" and not all_same(rows)


def test_every_way_is_possible_where_all_flags_are_known():
    for ways in WAYS.values():
        assert possible_ways(ways, FLAGS) == (ways, [])


def test_a_comfyui_without_dynamic_vram():
    possible, missing = possible_ways(WAYS["cuda"], FLAGS - {"--disable-dynamic-vram", "--vram-headroom"})
    assert possible[:2] == [("--highvram",), ()] and missing == [("--vram-headroom", HALF)]
    assert len(possible) == len(set(possible)) and not any("--disable-dynamic-vram" in way for way in possible)


@pytest.mark.parametrize(("step", "counted"), [(3, 3), (0.1, 0.8)])
def test_reserve_leaves_room_for_half(step, counted):
    """What is free but for reserve, VAE and step is half of the model."""
    facts = {"free_bytes": 22 * GIB, "vae_bytes": GIB, "model_bytes": 12 * GIB, "required_bytes": step * GIB}
    *_, reserve = with_half(("--disable-dynamic-vram", "--reserve-vram", HALF), facts)
    assert 22 - float(reserve) - 1 - counted == pytest.approx(6, abs=1e-3)


def test_a_model_of_which_half_does_not_fit_reserves_nothing():
    facts = {"free_bytes": 2 * GIB, "vae_bytes": GIB, "model_bytes": 12 * GIB, "required_bytes": GIB}
    assert with_half((HALF,), facts) == ("0.000",)


@pytest.mark.parametrize("reference_runs", [True, False])
def test_half_is_reckoned_for_each_memory_mode(monkeypatch, reference_runs):
    """From the reference's run in that mode; without one there is nothing to start."""
    asked = []

    def served(comfyui, paths, flags, subject, dtype, memories, side, steps):
        asked.append((flags, tuple(memories)))
        runs = [run(random() if reference_runs else None, dtype, flags, memory) for memory in memories]
        for one in runs:
            step = {"keep": 4, "recompute": 2}[one.memory] * GIB
            one.facts = {"free_bytes": 20 * GIB, "vae_bytes": GIB, "model_bytes": 10 * GIB, "required_bytes": step}
        return runs

    monkeypatch.setattr(memory_modes, "run_on_server", served)
    options = SimpleNamespace(comfyui=None, side=64, steps=1)
    subject = Subject("flux", "model", "vae", 1, 1, 1)
    runs = list(memory_modes.every_way(options, None, [("--highvram",), ("--reserve-vram", HALF)], subject, "float32"))
    halves = [(("--reserve-vram", "10.000"), ("keep",)), (("--reserve-vram", "12.000"), ("recompute",))]
    assert asked == [(("--highvram",), ("keep", "recompute")), *(halves if reference_runs else [])]
    assert [one.memory for one in runs] == 2 * ["keep", "recompute"]
    assert all(("the reference failed" in one.failure) is not reference_runs for one in runs[2:])


def test_repeatable_arithmetic_puts_everything_back():
    def state():
        return (
            torch.are_deterministic_algorithms_enabled(),
            torch.utils.deterministic.fill_uninitialized_memory,
            torch.backends.cudnn.allow_tf32,
            torch.backends.cuda.matmul.allow_tf32,
        )

    before = state()
    with repeatable_arithmetic(strict=True):
        assert state() == (True, False, False, False)
    assert state() == before


def test_an_operation_without_a_deterministic_kernel_still_runs():
    def compute():
        if not torch.is_deterministic_algorithms_warn_only_enabled():
            raise RuntimeError("this_backward does not have a deterministic implementation")
        return 1

    assert repeatably(compute) == (1, False) and repeatably(lambda: 2) == (2, True)
    with pytest.raises(RuntimeError, match="broken"):
        repeatably(lambda: (_ for _ in ()).throw(RuntimeError("broken")))
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    "options",
    [
        ("--side", "100"),
        ("--steps", "0"),
        ("--layouts", "sd3"),
        ("--dtypes", "float8"),
        ("--size", "huge"),
        ("--json", "no such folder/numbers.json"),
    ],
)
def test_options_that_cannot_be(options, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["memory_modes", "--device", "cpu", *options])
    with pytest.raises(SystemExit) as ending:
        memory_modes.read_options()
    assert ending.value.code == 2 and options[0] in capsys.readouterr().err
