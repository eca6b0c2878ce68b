"""The NoiseTilt Sampler: what it refuses, what ends its tilt, what it reports, and what it leaves of ComfyUI."""

import logging
import math
import weakref

import pytest
import torch

from .ascents import Ramp
from .test_refused_runs import four_channel_vae, text_reward
from .tilted import Changing, sample, tilted_sampler

FLOW = [1.0, 0.7, 0.3, 0.0]


@pytest.fixture
def run(tiny, flux, vaes):
    """Samples two pictures with a reward; both with changes."""

    def run(reward=None, sigmas=FLOW, latent=None, guider=None, vae=None, noise=None, **changes):
        with torch.inference_mode():
            noise = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(5)) if noise is None else noise
        sampler = tilted_sampler(vae or vaes["taesd"], reward, **changes)
        return sample(sampler, guider or tiny.guider(flux), noise, sigmas, latent=latent)

    return run


@pytest.fixture
def report(caplog):
    caplog.set_level(logging.INFO)
    return lambda: next(record.message for record in reversed(caplog.records) if "in the end" in record.message)


def cached(tiny, flux):
    model = flux.clone()
    model.model_options["transformer_options"]["easycache"] = object()
    return tiny.guider(model)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(strength=1.5), "strength is 1.5"),
        (dict(strength=math.nan), "strength is nan"),
        (dict(start_percent=0.5, end_percent=0.5), "the end above the start"),
        (dict(every_nth=0), "set it to 1 or more"),
        (dict(schedule="rising"), "schedule is 'rising'"),
        (dict(memory="none"), "memory is 'none'"),
        (dict(sigmas=[1.0, 0.0]), "single step"),
        (dict(sigmas=[0.2, 0.5, 0.0]), "sigmas must fall"),
        (dict(eta=0.0), "eta is 0"),
        (dict(start_percent=0.6, end_percent=0.9), "None of the 2 noises"),
        (dict(vae=four_channel_vae), "decodes 4 latent channels"),
        (dict(reward=text_reward), "fill in the NoiseTilt Sampler's prompt"),
        (dict(guider=cached), "EasyCache or LazyCache is in the model's path"),
    ],
)
def test_refused_before_the_first_step(run, tiny, flux, changes, message):
    made = {name: value() if value in (four_channel_vae, text_reward) else value for name, value in changes.items()}
    if "guider" in made:
        made["guider"] = cached(tiny, flux)
    calls = []
    handle = flux.model.diffusion_model.register_forward_hook(lambda *_: calls.append(1))
    try:
        with pytest.raises(ValueError, match=message):
            run(**made)
    finally:
        handle.remove()
    assert calls == []


def test_a_wrapped_sampler_is_refused_in_words(tiny, flux, vaes):
    """As packs wrap samplers: with a function, or an object, in the place of ComfyUI's model."""
    import comfy.samplers

    inner = tilted_sampler(vaes["taesd"])

    def wrapping(model, *args, **kwargs):
        def blended(x, sigma, **more):
            return model(x, sigma, **more)

        return inner.sampler_function(blended, *args, **kwargs)

    noise = torch.randn(1, 16, 8, 8)
    with pytest.raises(ValueError, match="wraps the sampler, .*blended.*: connect the NoiseTilt Sampler to Sampler"):
        sample(comfy.samplers.KSAMPLER(wrapping), tiny.guider(flux), noise, FLOW)


def test_several_frames_are_refused_in_words(tiny, vaes, tmp_path):
    from . import tiny_qwen_image

    model = tiny_qwen_image.qwen_image(tmp_path)
    noise = torch.randn(1, 16, 3, 8, 8)
    with pytest.raises(ValueError, match="holds 3 latent frames, but rewards judge a single picture"):
        sample(tilted_sampler(model.vae), model.guider, noise, FLOW)


def test_a_model_without_a_backward_pass_is_refused_or_left_out(tiny, flux, run):
    model = flux.clone()
    model.model_options["transformer_options"]["optimized_attention_override"] = without_backward
    with pytest.raises(ValueError, match="without a backward pass .*in the NoiseTilt Sampler set gradient to decoder"):
        run(guider=tiny.guider(model))
    assert run(guider=tiny.guider(model), gradient="decoder only").isfinite().all()


def without_backward(original, q, *args, **kwargs):
    return original(q.flip(1), *args, **kwargs).detach()


def test_a_step_without_a_gradient_stops_or_is_plain(run, report):
    def at_step_2(look, rewards):
        return rewards * torch.tensor([1.0, math.nan]) if look == 2 else rewards

    with pytest.raises(ValueError, match="Picture 2 .* step 2: the reward is not finite"):
        run(Changing(at_step_2))
    assert run(Changing(at_step_2), without_gradient="plain noise").isfinite().all()
    assert "Picture 2 took plain noise at step 2: the reward is not finite" in report()


def test_too_little_memory_stops_or_ends_the_tilt(run, report):
    def from_step_2(look, rewards):
        if look > 1 and rewards.requires_grad:
            raise torch.OutOfMemoryError("full")
        return rewards

    with pytest.raises(torch.OutOfMemoryError):
        run(Changing(from_step_2))
    found = run(Changing(from_step_2), without_gradient="plain noise")
    assert "1 of 2 steps was tilted" in report() and "not enough memory" in report()
    torch.testing.assert_close(found, run(end_percent=0.3), atol=1e-4, rtol=1e-4)


def test_the_plain_step_has_the_memory_of_the_failed_one(run, flux):
    """The graph that did not fit is gone when the model runs without one."""
    graphs, left = [], []

    def at_step_2(look, rewards):
        if look == 2 and rewards.requires_grad:
            graphs.append(weakref.ref(rewards))
            raise torch.OutOfMemoryError("full")
        return rewards

    block = flux.model.diffusion_model.double_blocks[0]
    handle = block.img_mlp.register_forward_hook(lambda *_: left.extend(graph() for graph in graphs))
    run(Changing(at_step_2), memory="keep", without_gradient="plain noise")
    handle.remove()
    assert left == [None, None]


def test_a_finished_picture_that_cannot_be_scored_is_kept(run, caplog):
    caplog.set_level(logging.INFO)

    def at_the_end(look, rewards):
        if not rewards.requires_grad:
            raise torch.OutOfMemoryError("full")
        return rewards

    with pytest.raises(torch.OutOfMemoryError):
        run(Changing(at_the_end))
    assert torch.equal(run(Changing(at_the_end), without_gradient="plain noise"), run())
    report = next(
        record.message for record in caplog.records if "the finished picture was not scored" in record.message
    )
    assert "2 of 2 steps was tilted" in report and "in the end" not in report
    assert "all steps done; there was not enough memory to score the finished picture" in report


@pytest.fixture
def opened(pack, monkeypatch):
    """What the page sees of each run, in their order."""
    from gper_pack.nodes.live import run_progress

    opened, original = [], run_progress._open

    def remember(*args):
        opened.append(original(*args))
        return opened[-1]

    monkeypatch.setattr(run_progress, "_open", remember)
    return opened


def test_stop_and_keep_ends_the_tilt(run, opened):
    def stop(look, rewards):
        if look == 2:
            opened[0].request_stop()
        return rewards

    found = run(Changing(stop))
    torch.testing.assert_close(found, run(end_percent=0.3), atol=1e-4, rtol=1e-4)
    assert opened[0].state == "done" and opened[0].ended == "by hand, and the remaining steps took plain noise"
    assert opened[0].sampling and len(opened[0].history) == 3 and opened[0].settings.startswith("ramp: ")


def test_a_watched_reward_that_falls_ends_the_tilt(run, report):
    from gper_pack.nodes.rewards.reward_handle import RewardHandle
    from gper_pack.reward_models import PictureStatistic, RewardMix
    from gper_pack.runs.watched_reward import WatchLimit

    falling = Changing(lambda look, rewards: rewards - look)
    falling.name = "falling"
    mix = RewardMix([PictureStatistic("brightness"), falling], [1.0, 0.0])
    run(RewardHandle(mix, limits={1: WatchLimit(0.5, 1)}))
    assert "falling, which is watched" in report() and "the remaining steps take plain noise" in report()
    assert "1 of 2 steps was tilted" in report()


def test_equal_pull_is_measured_on_other_noises_first(run, report):
    from gper_pack.nodes.rewards.reward_handle import RewardHandle
    from gper_pack.reward_models import PictureStatistic, RewardMix

    mix = RewardMix([PictureStatistic("brightness"), PictureStatistic("colourfulness")], mode="equal pull")
    assert run(RewardHandle(mix)).isfinite().all()
    assert "Equal pull: " in report() and "brightness" in report()


def test_estimates_at_the_first_step_are_no_plain_seeds(run, opened):
    """Finished pictures score otherwise than blurred ones: nothing is said of seeds, nor of a fooled reward."""
    from gper_pack.nodes.rewards.reward_handle import RewardHandle
    from gper_pack.reward_models import PictureStatistic, RewardMix

    parts = [PictureStatistic(name) for name in ("brightness", "colourfulness", "contrast")]
    run(RewardHandle(RewardMix(parts, [1.0, 1.0, 0.0], mode="equal pull")), noise=torch.randn(1, 16, 8, 8))
    assert (opened[0].in_seeds, opened[0].warning) == ("", "") and len(opened[0].history) == 3


def test_the_report_tells_the_finished_pictures_score(run, report, vaes, flux, tiny):
    found = run(strength=0.05, schedule="falling", every_nth=2, eta=0.9)
    with torch.inference_mode():
        score = Ramp()(vaes["taesd"].decode(found).movedim(-1, 1)).mean()
    assert f"expected at step 1, {score:.4f} in the end" in report()
    assert "The noise of 1 of 2 steps was tilted" in report() and "Ended: all steps done" in report()
    settings = "NoiseTilt: strength 0.05, falling, every 2 steps; eta 0.9; whitening both; gradient: model and decoder."
    assert settings in report() and "The last tilted noise: " in report() and "picture 2: " in report()


def test_a_part_of_the_steps_leaves_the_rest_to_another_sampler(run, caplog):
    caplog.set_level(logging.INFO)
    assert run(sigmas=FLOW[:2]).isfinite().all()
    assert "The noise of 1 of 1 steps was tilted" in caplog.text


@pytest.mark.parametrize(
    ("ending", "memory"), [("done", "keep"), ("cancelled", "recompute"), ("failed", "recompute"), ("failed", "keep")]
)
def test_comfyui_is_as_it_was(tiny, flux, vaes, memory, ending):
    import comfy.model_management as management

    guider, noise = tiny.guider(flux, 2.0), torch.randn(1, 16, 8, 8)
    before = sample("euler_ancestral", guider, noise, FLOW)

    def what(look, rewards):
        if look == 2 and ending == "failed":
            raise ZeroDivisionError
        if look == 2 and ending == "cancelled":
            management.interrupt_current_processing(True)
        return rewards

    errors = {"cancelled": management.InterruptProcessingException, "failed": ZeroDivisionError}
    sampler = tilted_sampler(vaes["taesd"], Changing(what), memory=memory, without_gradient="plain noise")
    try:
        if ending == "done":
            sample(sampler, guider, noise, FLOW)
        else:
            with pytest.raises(errors[ending]):
                sample(sampler, guider, noise, FLOW)
    finally:
        management.interrupt_current_processing(False)
    blocks = flux.model.diffusion_model
    assert management.in_training is False
    assert all("forward" not in block.__dict__ for block in [*blocks.double_blocks, *blocks.single_blocks])
    assert torch.equal(sample("euler_ancestral", guider, noise, FLOW), before)
    assert torch.equal(sample(tilted_sampler(vaes["taesd"], strength=0.0), guider, noise, FLOW), before)


def test_steps_between_run_as_comfyui_runs_them(run, flux, monkeypatch):
    """Without the switches that gradients need."""
    import comfy.model_management as management

    seen = []
    block = flux.model.diffusion_model.double_blocks[0]
    handle = block.img_mlp.register_forward_hook(
        lambda *_: seen.append((management.in_training, torch.is_grad_enabled()))
    )
    run(every_nth=2, memory="keep")
    handle.remove()
    assert seen == [(True, True), (False, False), (False, False)]
