"""ComfyUI's compiler and its CUDA graphs are off while gradients are on, and as they were afterwards."""

import sys
import threading
from functools import partial

import pytest
import torch

from .ascents import Ramp, optimize, plain
from .breakdowns import MOMENTS, At, out_of_memory

SWITCHES = ("disable_comfy_compiler", "disable_cuda_graphs")


@pytest.fixture
def noise():
    return torch.randn(1, 16, 4, 4, generator=torch.Generator().manual_seed(5))


@pytest.fixture
def compiler(tiny, flux, monkeypatch):
    from .compiler import Compiler

    model = flux.model.diffusion_model
    return Compiler(monkeypatch, model, [*model.double_blocks, *model.single_blocks])


@pytest.mark.parametrize("memory", ["keep", "recompute"])
def test_it_is_off_during_a_run_and_on_after_it(tiny, flux, vaes, noise, memory, request):
    expected, found = [], []
    optimize(tiny.guider(flux), noise, vaes["kl"], Ramp(), memory, steps=2, seen=expected)
    compiler = request.getfixturevalue("compiler")
    plain(tiny.guider(flux), noise)
    assert compiler.began == [True]
    optimize(tiny.guider(flux), noise, vaes["kl"], Ramp(), memory, steps=2, seen=found)
    assert compiler.began[1:] and not any(compiler.began[1:]) and not compiler.replayed
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    plain(tiny.guider(flux), noise)
    assert compiler.began[-1]


def test_left_on_it_would_spoil_the_gradient(tiny, flux, vaes, noise, compiler, monkeypatch):
    from gper_pack.nodes.differentiable import host_state

    expected, found = [], []
    optimize(tiny.guider(flux), noise, vaes["kl"], Ramp(), "keep", seen=expected)
    monkeypatch.setattr(host_state, "COMPILER_SWITCHES", ())
    optimize(tiny.guider(flux), noise, vaes["kl"], Ramp(), "keep", seen=found)
    assert compiler.replayed and not (found and torch.allclose(found[0], expected[0]))


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("kind", ["cancelled", "failed", "out of memory"])
def test_switches_are_as_before_after_a_run_that_ends_badly(
    tiny, flux, vaes, noise, compiler, monkeypatch, moment, kind, before
):
    import comfy.cli_args
    import comfy.model_management as management

    def fail():
        raise ZeroDivisionError("broken")

    what, error = {
        "cancelled": (partial(management.interrupt_current_processing, True), management.InterruptProcessingException),
        "failed": (fail, ZeroDivisionError),
        "out of memory": (out_of_memory, torch.OutOfMemoryError),
    }[kind]
    for switch in SWITCHES:
        monkeypatch.setattr(comfy.cli_args.args, switch, before, raising=False)
    during = []

    def look():
        during.extend(getattr(comfy.cli_args.args, switch) for switch in SWITCHES)
        what()

    accident = At(flux, vaes["kl"], moment, 1, look)
    with accident, pytest.raises(error):
        optimize(tiny.guider(flux), noise, vaes["kl"], accident.reward, "keep", callback=accident.callback)
    management.interrupt_current_processing(False)
    assert during and all(during)
    assert [getattr(comfy.cli_args.args, switch) for switch in SWITCHES] == [before, before]


def test_a_comfyui_without_a_compiler_gets_no_switch(tiny, flux, vaes, noise):
    import comfy.cli_args

    before = dict(vars(comfy.cli_args.args))
    optimize(tiny.guider(flux), noise, vaes["taesd"], Ramp(), "keep")
    assert vars(comfy.cli_args.args) == before


def test_two_runs_in_two_threads(tiny, tmp_path, vaes, noise, monkeypatch):
    """That begin one after the other and end in the same order: the first must not switch off what the second needs,
    and the second must not leave behind what the first had put there."""
    import comfy.cli_args
    import comfy.model_management as management
    import comfy.ops

    monkeypatch.setattr(comfy.cli_args.args, "disable_comfy_compiler", False, raising=False)

    def state():
        switches = [getattr(comfy.cli_args.args, switch, None) for switch in SWITCHES]
        prefetching = sys.modules.get("comfy.model_prefetch")
        queue = prefetching and prefetching.make_prefetch_queue
        return [management.in_training, comfy.ops.cast_bias_weight, queue, *switches]

    def instances(guider):
        return [sorted(part.__dict__) for part in guider.model_patcher.model.modules()]

    guiders = [tiny.guider(tiny.flux(tmp_path).stock) for _ in range(2)]
    alone = []
    for guider in guiders:
        alone.append([])
        optimize(guider, noise, vaes["taesd"], Ramp(), "recompute", seen=alone[-1])
    before, parts = state(), [instances(guider) for guider in guiders]
    first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))
    seen, during = [[], []], []

    def first_reward(images):
        first_is_in.set()
        assert second_is_in.wait(60)
        return Ramp()(images)

    def second_reward(images):
        second_is_in.set()
        assert first_is_out.wait(60)
        during.append(state())
        return Ramp()(images)

    def first():
        optimize(guiders[0], noise, vaes["taesd"], first_reward, "recompute", seen=seen[0])
        first_is_out.set()

    def second():
        assert first_is_in.wait(60)
        optimize(guiders[1], noise, vaes["taesd"], second_reward, "recompute", seen=seen[1])

    threads = [threading.Thread(target=run) for run in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(found[0], expected[0]) for found, expected in zip(seen, alone, strict=True))
    assert all(now[0] is True and now[1] is not before[1] and now[3] is True for now in during) and during
    assert state() == before and [instances(guider) for guider in guiders] == parts
