"""The Noise Optimizer node, called as ComfyUI calls it: what comes out, and what ends a run."""

import copy

import pytest
import torch


def test_outputs(optimize, wires):
    noise, latent, report, sheet = optimize().args
    assert sheet.shape[0] == 1 and sheet.shape[-1] == 3 and 0 <= sheet.min() < sheet.max() <= 1
    assert noise.seed == 7
    again = noise.generate_noise(wires["latent_image"])
    assert again.shape == (2, 16, 8, 8) and again.device.type == "cpu"
    assert torch.equal(again, noise.generate_noise(wires["latent_image"]))
    assert latent["samples"].shape == (2, 16, 8, 8)
    assert "brightness" in report and "all 2 steps done" in report
    assert wires["latent_image"].keys() == {"samples"} and not wires["latent_image"]["samples"].any()


def test_same_inputs_same_noise(optimize, wires):
    first, second = (optimize().args[0].generate_noise(wires["latent_image"]) for _ in range(2))
    assert torch.equal(first, second)


def test_stopped_at_the_start_noise(optimize, wires, monkeypatch):
    from gper_pack.runs.live_run import LiveRun

    monkeypatch.setattr(LiveRun, "stop_requested", True)
    noise, _, report = optimize().args[:3]
    assert "No other noise than the start noise was tried. 0 steps" in report and "Stopped: by hand" in report
    assert torch.equal(noise.noise, wires["noise"].generate_noise(wires["latent_image"]))


def test_one_after_the_other_goes_on_where_the_first_ended(optimize):
    first = optimize(steps=6, learning_rate=0.1)
    second = optimize(steps=3, learning_rate=0.1, noise=first.args[0])
    best = torch.tensor(first.ui["reward_history"]).max(0).values
    history = torch.tensor(second.ui["reward_history"])
    assert torch.allclose(history[0], best, atol=1e-5) and second.args[0].seed == 7
    assert (history.max(0).values >= best - 1e-5).all()


def test_time_budget_stops_early(optimize):
    report = optimize(steps=1000, time_budget=0.01).args[2]
    assert "the time budget of 0.01 seconds is used up" in report


@pytest.mark.parametrize("method", ["GPER", "local search"])
def test_the_clock_of_the_time_budget_starts_when_models_are_loaded(optimize, wires, monkeypatch, method):
    """For the run's end and for the page alike. Here time passes while models are loaded and pictures are scored."""
    import time

    import comfy.model_management
    from gper_pack.nodes.inputs.methods import METHODS
    from gper_pack.nodes.live import run_progress

    now, left, load = [0.0], [], comfy.model_management.load_models_gpu
    note = run_progress.RunProgress._note
    reward = copy.deepcopy(wires["reward"])

    def slow_load(*args, **kwargs):
        now[0] += 1000
        return load(*args, **kwargs)

    def scored(*_):
        now[0] += 1

    def noted(progress, step):
        note(progress, step)
        left.append(progress.live.seconds_left)

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(comfy.model_management, "load_models_gpu", slow_load)
    monkeypatch.setattr(run_progress.RunProgress, "_note", noted)
    reward.model.register_forward_hook(scored)
    report = optimize(steps=8, time_budget=4.5, method=METHODS[method], reward=reward).args[2]
    assert "time budget of 4.5 seconds is used up" in report
    assert left == [3.5, 2.5, 1.5, 0.5, 0.0]


def test_a_target_ends_the_run_and_the_default_is_none(optimize):
    from gper_pack.nodes.picture_statistics import PictureStatisticsNode

    reward = PictureStatisticsNode.execute("sharpness")[0]
    assert "all 2 steps done" in optimize(reward=reward).args[2]
    assert "reached the target reward -5" in optimize(reward=reward, target_reward=-5.0).args[2]


@pytest.mark.parametrize("target", [999.0, 1000.01, 1e6])
def test_a_target_may_lie_above_the_number_that_means_never(optimize, wires, target):
    from gper_pack.nodes.noise_optimizer import NoiseOptimizer
    from gper_pack.nodes.rewards.reward_handle import RewardHandle

    class Louder(torch.nn.Module):
        name, needs_prompt, typical_range = "louder", False, (0, 1)

        def forward(self, images, prompts=None):
            return 1e7 * images.mean((1, 2, 3))

    (widget,) = (entry for entry in NoiseOptimizer.GET_SCHEMA().inputs if entry.id == "target_reward")
    assert widget.default == 1000.0 and widget.min <= target <= widget.max
    assert f"reached the target reward {target:g}" in optimize(reward=RewardHandle(Louder()), target_reward=target)[2]
    assert "all 2 steps done" in optimize(reward=RewardHandle(Louder()), target_reward=1000.0).args[2]


def test_learning_rate_0_is_the_preset_of_the_model(optimize, wires):
    (followed, _, said), (by_hand, _, told), (other, _, _) = (
        optimize(learning_rate=rate).args[:3] for rate in (0.0, 0.02, 0.03)
    )
    noises = [noise.generate_noise(wires["latent_image"]) for noise in (followed, by_hand, other)]
    assert torch.equal(noises[0], noises[1]) and not torch.equal(noises[0], noises[2])
    assert "FLUX.1: learning rate 0.02, the model's preset." in said
    assert "FLUX.1: learning rate 0.02, set by hand (preset: 0.02)." in told


@pytest.mark.parametrize("sigmas", [[1.0, 0.0], [1.0, 0.6, 0.3, 0.0]])
def test_the_stock_nodes_paint_the_picture_that_was_found(optimize, wires, sigmas):
    """The NOISE through SamplerCustomAdvanced and VAE Decode, against the optimizer's own latent."""
    import comfy.samplers
    from comfy_extras.nodes_custom_sampler import SamplerCustomAdvanced

    import nodes

    noise, latent = optimize(sigmas=torch.tensor(sigmas), steps=3, learning_rate=0.1).args[:2]
    with torch.inference_mode():
        euler = comfy.samplers.sampler_object("euler")
        sampled = SamplerCustomAdvanced.execute(
            noise, wires["guider"], euler, torch.tensor(sigmas), wires["latent_image"]
        ).args[0]
        pictures = [nodes.VAEDecode().decode(wires["vae"], z)[0] for z in (sampled, latent)]
    assert (pictures[0] - pictures[1]).abs().max() < 2e-3


def test_comfyui_is_not_asked_for_a_client(optimize):
    """Headless: no node id, no page."""
    assert optimize(preview_every=1).args[2]
