"""How much is kept for the backward pass against what was reckoned with, and what happens when memory runs out."""

import json
import weakref
from pathlib import Path

import pytest
import torch

from tools.live_memory import LiveMemory

from .ascents import Ramp, only_in_stages, optimize
from .breakdowns import At, out_of_memory

ONE_PROMPT = {"positive": [{}]}


@pytest.fixture
def noise():
    return torch.randn(1, 16, 4, 4, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_a_share_of_the_blocks_recomputed_gives_the_same_gradient(tiny, flux, vaes, noise, monkeypatch, share):
    from gper_pack.nodes.differentiable import backward_plan

    found = {}
    for shares in ((0.0,), (share,)):
        monkeypatch.setattr(backward_plan, "GENERATOR_SHARES", shares)
        found[shares] = []
        optimize(tiny.guider(flux), noise, vaes["taesd"], Ramp(), "auto", seen=found[shares])
    kept, some = found.values()
    assert torch.equal(some[0], kept[0])


def test_in_stages_nothing_of_the_generator_is_kept_while_the_reward_runs(tiny, flux, vaes, monkeypatch):
    """Beside what a run without the generator's graph would hold: its blocks' inputs, or everything, or nothing."""
    noise = torch.randn(1, 16, 16, 16, generator=torch.Generator().manual_seed(5))

    def held(memory):
        """Bytes alive when the reward is reached first, and the peak."""
        alive = []

        def reward(images):
            alive.append(live.live)
            return Ramp()(images)

        with LiveMemory() as live:
            optimize(tiny.guider(flux), noise, vaes["taesd"], reward, memory)
        return alive[0], live.peak

    keep, recomputed = held("keep"), held("recompute")
    only_in_stages(monkeypatch)
    staged = held("auto")
    assert staged[0] < recomputed[0] < keep[0] and staged[1] < recomputed[1] < keep[1]
    inputs_of_blocks = 5 * noise.numel() // 64 * 4 * 128  # five blocks of 128 channels, a token for 2 x 2 latents
    assert recomputed[0] - staged[0] > inputs_of_blocks


@pytest.mark.parametrize("cfg, optional, prompts", [(1.0, True, 1), (1.0, False, 2), (3.0, True, 2)])
def test_prompts_that_are_evaluated(tiny, flux, vaes, noise, monkeypatch, cfg, optional, prompts):
    """As many conditionings are reckoned with as pass through the model."""
    from gper_pack.nodes.differentiable import gradient_run

    model = flux.clone()
    if not optional:
        model.disable_model_cfg1_optimization()
    counted, passed = [], set()
    stock = gradient_run.evaluated_conditionings

    def note(guider, model_options):
        counted.append(stock(guider, model_options))
        return counted[-1]

    monkeypatch.setattr(gradient_run, "evaluated_conditionings", note)
    handle = model.model.diffusion_model.img_in.register_forward_hook(lambda _, args, __: passed.add(len(args[0])))
    optimize(tiny.guider(model, cfg), noise, vaes["taesd"], Ramp(), "keep")
    handle.remove()
    assert passed == {prompts} and sum(map(len, counted[0].values())) == prompts


def test_a_guider_of_its_own_kind_evaluates_all_its_prompts(tiny, flux):
    import comfy.samplers
    from gper_pack.nodes.differentiable.conditionings import evaluated_conditionings

    class Dual(comfy.samplers.CFGGuider):
        def predict_noise(self, *args, **kwargs):
            raise NotImplementedError

    guider = Dual(flux)
    guider.conds = {"positive": [{}], "middle": [{}], "negative": [{}]}
    assert evaluated_conditionings(guider, {}) == guider.conds


def test_the_peak_is_the_largest_stage_not_the_sum(pack):
    from gper_pack.nodes.differentiable.memory import Stage, peak

    assert peak([Stage(5, 2), Stage(1, 30), Stage(3, 4)]) == 5 + 1 + 30
    assert peak([Stage(5, 200), Stage(1, 30), Stage(3, 4)]) == 5 + 200
    assert peak([Stage(5, 2), Stage(1, 3), Stage(60, 4)]) == 5 + 1 + 60 + 4


def test_memory_that_an_idle_model_holds_counts_as_available(flux, vaes, monkeypatch):
    """A text encoder that was used before the run, and is not used in it, can be evicted."""
    import comfy.model_management as management
    from comfy.model_patcher import ModelPatcher
    from gper_pack.nodes.differentiable.memory import available_memory

    device = torch.device("cpu")
    encoder = ModelPatcher(torch.nn.Linear(100, 100), device, device)
    monkeypatch.setattr(management, "get_free_memory", lambda device: 1000)
    monkeypatch.setattr(management, "current_loaded_models", [management.LoadedModel(m) for m in (flux, encoder)])
    monkeypatch.setattr(encoder, "loaded_size", lambda: 40_400)
    assert available_memory(device, [flux, vaes["kl"].patcher]) == 41_400
    assert available_memory(device, [flux.clone(), encoder]) == 1000
    assert available_memory(torch.device("meta"), [flux]) == 1000


@pytest.fixture(scope="module")
def undisturbed(tiny, flux, vaes):
    noise = torch.randn(1, 16, 4, 4, generator=torch.Generator().manual_seed(5))
    return optimize(tiny.guider(flux), noise, vaes["kl"], Ramp(), "auto", steps=3)


@pytest.mark.parametrize("stage", ["generator", "decoder", "reward", "backward"])
def test_out_of_memory_goes_on_from_where_it_was(tiny, flux, vaes, noise, undisturbed, stage):
    """Once in the third evaluation: nothing is lost, so the run ends as one that was never short of memory."""
    expected, latent = undisturbed
    failing = At(flux, vaes["kl"], stage, 3, out_of_memory)
    with failing:
        record, found = optimize(tiny.guider(flux), noise, vaes["kl"], failing.reward, "auto", steps=3)
    assert failing.raised == 1
    assert len(record.rewards) == 4 and record.stop_reason == "all 3 steps done"
    assert torch.equal(record.reward_history(), expected.reward_history())
    assert torch.equal(record.best_noise, expected.best_noise) and torch.equal(found, latent)


def test_keeping_what_does_not_fit_is_an_error(tiny, flux, vaes, noise):
    failing = At(flux, vaes["kl"], "reward", 2, out_of_memory)
    with failing, pytest.raises(torch.OutOfMemoryError):
        optimize(tiny.guider(flux), noise, vaes["kl"], failing.reward, "keep", steps=3)


def test_recomputing_that_does_not_fit_goes_on_in_stages(tiny, flux, vaes, noise, undisturbed, caplog):
    failing = At(flux, vaes["kl"], "reward", 3, out_of_memory)
    with failing:
        record, found = optimize(tiny.guider(flux), noise, vaes["kl"], failing.reward, "recompute", steps=3)
    assert "model and VAE one after the other" in caplog.text
    assert torch.equal(found, undisturbed[1])


def test_auto_gives_up_when_nothing_smaller_is_left(tiny, flux, vaes, noise, caplog):
    failing = At(flux, vaes["kl"], "reward", 2, out_of_memory, times=100)
    with failing, pytest.raises(torch.OutOfMemoryError):
        optimize(tiny.guider(flux), noise, vaes["kl"], failing.reward, "auto", steps=3)
    assert failing.raised == 1 + caplog.text.count("Out of memory: going on") > 2


def counted(guider, noise, vae, reward, memory):
    """Peak of the bytes of live tensors that a run makes."""
    with LiveMemory() as live:
        optimize(guider, noise, vae, reward, memory)
    return live.peak


class Hungry(torch.nn.Module):
    """A reward that keeps the picture `times` times."""

    def __init__(self, times):
        super().__init__()
        self.times = times

    def forward(self, images):
        x = images
        for _ in range(self.times):
            x = (0.1 * x).sin()
        return x.mean((1, 2, 3))


def test_the_largest_stage_decides_the_counted_peak(tiny, flux, vaes):
    """A reward that needs less than the decoder's largest block costs nothing; one that needs more, what it needs."""
    noise = torch.randn(1, 16, 4, 4)
    guider = tiny.guider(flux)
    peaks = {times: counted(guider, noise, vaes["kl"], Hungry(times), "recompute") for times in (1, 60, 600, 700)}
    picture = 3 * 32 * 32 * 4
    assert peaks[60] < peaks[1] + 3 * picture
    assert peaks[700] - peaks[600] == pytest.approx(100 * picture, rel=0.05)


@pytest.mark.parametrize("recomputed", [False, True])
def test_the_decoders_estimate_covers_the_count(tiny, vaes, tmp_path, recomputed):
    """Peak of the decoder's own forward and backward, against what the plan reckons with and against twice as much."""
    from gper_pack.differentiation import frozen_convolutions
    from gper_pack.nodes.differentiable.block_recompute import recomputed_blocks
    from gper_pack.nodes.differentiable.decoder_blocks import decoder_blocks
    from gper_pack.nodes.differentiable.memory import decoder_stage
    from gper_pack.nodes.differentiable.ordinary_tensors import freeze_as_ordinary
    from gper_pack.nodes.differentiable.vae_decode import decode

    for name, vae in {**vaes, "kl": tiny.published_kl(tmp_path).stock}.items():
        freeze_as_ordinary(vae.first_stage_model)
        latent = torch.randn(1, 16, 8, 8, requires_grad=True)
        blocks = decoder_blocks(vae) if recomputed else []
        with LiveMemory() as live, frozen_convolutions(vae.first_stage_model), recomputed_blocks(blocks, False):
            decode(vae, latent * 1).sum().backward()
        estimate = sum(decoder_stage(bool(blocks), vae, tuple(latent.shape)))
        assert 0.5 * estimate < live.peak < estimate, name


@pytest.mark.parametrize("side", [512, 768, 1024])
def test_the_generators_estimate_covers_the_count(flux, monkeypatch, side):
    """What docs/memory_estimate.json counted at FLUX.1's size, against what the plan reckons with there."""
    import comfy.model_management as management
    from gper_pack.nodes.differentiable import memory

    counts = json.loads((Path(__file__).parents[2] / "docs" / "memory_estimate.json").read_text())["gib"]
    row = next(row for row in counts if row["picture"] == side)
    monkeypatch.setattr(management, "pytorch_attention_flash_attention", lambda: True)  # as on a graphics card
    monkeypatch.setattr(flux.model, "get_dtype_inference", lambda: torch.bfloat16, raising=False)
    monkeypatch.setattr(memory, "repeated_blocks", lambda model: [None] * (19 + 38))
    for name, recomputed in (("transformer, keep", False), ("transformer, recompute", True)):
        stage = memory.generator_stage(recomputed, False, flux, (1, 16, side // 8, side // 8), ONE_PROMPT, 1)
        assert 1 < stage.kept / 2**30 / row[name][0] < 2
        assert 1 < stage.working / 2**30 / row[name][1] < 4


def test_the_estimate_where_the_patcher_is_asked(flux, monkeypatch):
    """As from ComfyUI 0.34 on: a patcher may be asked in the model's place, and answer for more than the model."""
    import comfy.sampler_helpers
    from comfy.model_patcher import ModelPatcher
    from gper_pack.nodes.differentiable.memory import generator_stage

    def call_model_memory_required(patcher, shape, cond_shapes):
        return 3 * patcher.model.memory_required(shape, cond_shapes=cond_shapes)

    def estimate_memory(model, noise_shape, conds):
        need = [model.call_model_memory_required([n * noise_shape[0], *noise_shape[1:]], {}) for n in (2, 1)]
        return tuple(need)

    monkeypatch.setattr(flux.model, "get_dtype_inference", lambda: torch.bfloat16, raising=False)
    plain = generator_stage(0.0, False, flux, (1, 16, 64, 64), ONE_PROMPT, 1)
    monkeypatch.setattr(ModelPatcher, "call_model_memory_required", call_model_memory_required, raising=False)
    monkeypatch.setattr(comfy.sampler_helpers, "estimate_memory", estimate_memory)
    asked = generator_stage(0.0, False, flux, (1, 16, 64, 64), ONE_PROMPT, 1)
    assert asked.kept == pytest.approx(3 * plain.kept) and asked.working == pytest.approx(3 * plain.working)


def test_nothing_of_a_failed_evaluation_is_left(tiny, flux, vaes, noise):
    """The next attempt starts with the memory of the failed one given back."""
    alive, pictures = [], []

    def reward(images):
        alive.append(sum(picture() is not None for picture in pictures))
        pictures.append(weakref.ref(images))
        if len(pictures) == 2:
            raise torch.OutOfMemoryError
        return Ramp()(images)

    optimize(tiny.guider(flux), noise, vaes["kl"], reward, "auto", steps=2)
    assert len(alive) == 4 and alive[2] == 0


def test_comfyui_makes_room_for_what_the_run_needs_and_for_nothing_else(tiny, flux, vaes, monkeypatch):
    """Model, VAE and reward are loaded together; a text encoder is not among them, so it may be evicted."""
    import comfy.model_management as management
    from gper_pack.nodes.differentiable.backward_plan import BackwardPlan

    calls, stock = [], management.load_models_gpu

    def load(models, **more):
        calls.append(({id(patcher.model) for patcher in models}, more))
        return stock(models, **more)

    monkeypatch.setattr(management, "load_models_gpu", load)
    for shape in ((1, 16, 4, 4), (2, 16, 4, 4)):
        optimize(tiny.guider(flux), torch.randn(shape), vaes["kl"], Ramp(), "recompute")
        models, asked = calls[-1]
        assert models == {id(flux.model), id(vaes["kl"].first_stage_model)}
        expected = BackwardPlan("recompute", flux, vaes["kl"], [], [], shape, ONE_PROMPT, 1).memory_required
        assert asked["memory_required"] == expected > 0
