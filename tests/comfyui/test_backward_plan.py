"""What is kept for the backward pass and what recomputed, as free memory, model and setting have it."""

import dataclasses
import itertools

import pytest
import torch

SHAPE = (1, 16, 64, 64)
ONE_PROMPT = {"positive": [{}]}


@pytest.fixture
def plan(flux, vaes, monkeypatch):
    """A plan for the tiny FLUX and the KL decoder with a given number of free bytes."""
    import comfy.model_management
    from gper_pack.nodes.differentiable import memory
    from gper_pack.nodes.differentiable.backward_plan import BackwardPlan

    monkeypatch.setattr(memory, "repeated_blocks", lambda model: [None] * 57)  # as deep as FLUX.1

    def make(mode, free, model=flux, vae="kl", rewards=(), conditionings=ONE_PROMPT, steps=1):
        monkeypatch.setattr(comfy.model_management, "current_loaded_models", [])
        monkeypatch.setattr(comfy.model_management, "get_free_memory", lambda device: free)
        return BackwardPlan(mode, model, vaes[vae], list(rewards), [], SHAPE, conditionings, steps)

    return make


def flags(plan):
    return plan.chosen.generator, plan.chosen.decoder


ALL, NOTHING = (1.0, True), (0.0, False)
PLENTY = 1e15


@pytest.mark.parametrize("decoding", [0.15, 3.1])
def test_auto_recomputes_only_what_does_not_fit(plan, flux, monkeypatch, decoding):
    """From plenty of memory to none: the fastest choice that fits, so what it needs falls and what it costs rises."""
    from gper_pack.nodes.differentiable import backward_plan, model_presets

    preset = dataclasses.replace(model_presets.preset_for(flux), decoding=decoding)
    monkeypatch.setattr(backward_plan, "preset_for", lambda model: preset)
    everything = plan("keep", 0).memory_required
    seen, needed = [], []
    for free in torch.linspace(3 * everything, 0, 300).tolist():
        made = plan("auto", free)
        if flags(made) not in seen:
            seen.append(flags(made))
            needed.append(made.memory_required)
        assert made.memory_required < free or flags(made) == ALL
    assert seen[0] == NOTHING and seen[-1] == ALL and len(seen) >= 5
    assert needed == sorted(needed, reverse=True)
    costs = [share + decoding * decoder for share, decoder in seen]
    assert costs == sorted(costs)
    assert seen.index((0.0, True)) == 1 if decoding < 0.25 else (0.25, False) in seen[:2]


def test_out_of_memory_takes_a_choice_that_needs_much_less(plan):
    made = plan("auto", PLENTY)
    needed = [made.memory_required]
    while made.retry(torch.OutOfMemoryError()):
        needed.append(made.memory_required)
    assert flags(made) == ALL and len(needed) >= 4
    assert all(less <= 0.8 * more for more, less in itertools.pairwise(needed[:-1]))


def test_a_guider_that_shows_no_prompt_is_reckoned_with_one(plan):
    for hidden in ({}, {"positive": []}):
        assert plan("auto", 0, conditionings=hidden).memory_required == plan("auto", 0).memory_required


def test_the_reserve_of_dynamic_vram_is_no_measure(plan, flux, monkeypatch):
    """With it, ComfyUI's patcher adds a GiB to what an evaluation needs; per kept block that would be 57 too many."""
    expected = plan("keep", 0).memory_required
    stock = flux.memory_required
    monkeypatch.setattr(flux, "memory_required", lambda shape: 1.3 * stock(shape) + 2**30, raising=False)
    assert plan("keep", 0).memory_required == expected


def test_memory_reserved_for_other_programs_is_left_alone(plan, monkeypatch):
    import comfy.model_management as management

    monkeypatch.setattr(management, "EXTRA_RESERVED_VRAM", 0)
    room = 2 * plan("keep", 0).memory_required
    assert flags(plan("auto", room)) == NOTHING
    monkeypatch.setattr(management, "EXTRA_RESERVED_VRAM", room)  # as --reserve-vram sets it
    assert flags(plan("auto", room)) == ALL


@pytest.mark.parametrize("count", [1, 5, 57])
def test_recomputed_blocks_are_spread_over_the_model(pack, count):
    from gper_pack.nodes.differentiable.backward_plan import GENERATOR_SHARES, _spread

    blocks = list(range(count))
    for share in GENERATOR_SHARES:
        chosen = _spread(blocks, share)
        assert len(chosen) == int(share * count)
        gaps = {after - before for before, after in itertools.pairwise(chosen)}
        assert not gaps or max(gaps) - min(gaps) <= 1
    assert _spread(blocks, 1.0) == blocks


def test_the_setting_is_obeyed(plan):
    assert flags(plan("keep", 0)) == NOTHING and flags(plan("recompute", PLENTY)) == ALL


def test_what_cannot_be_recomputed_is_kept(plan, monkeypatch):
    assert flags(plan("recompute", PLENTY, vae="taesd")) == (1.0, False)
    assert flags(plan("auto", 0, vae="taesd")) == (1.0, False)
    from gper_pack.nodes.differentiable import backward_plan

    monkeypatch.setattr(backward_plan, "repeated_blocks", lambda model: [])
    assert flags(plan("recompute", PLENTY)) == (0.0, True)
    assert flags(plan("auto", 0)) == (0.0, True)


def test_more_work_needs_more_memory(plan, flux):
    least = plan("keep", 0).memory_required
    assert plan("keep", 0, steps=4).memory_required > 2 * least
    assert plan("keep", 0, conditionings=ONE_PROMPT | {"negative": [{}, {}]}).memory_required > 1.5 * least
    assert plan("keep", 0, rewards=[flux]).memory_required > least
    assert plan("recompute", 0).memory_required < least / 2


@pytest.mark.parametrize(
    "error, short",
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("GET was unable to find an engine to execute this computation"), True),
        (RuntimeError("The size of tensor a (4) must match the size of tensor b (5)"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_counts_as_out_of_memory(plan, error, short):
    assert plan("auto", PLENTY).retry(error) is short
