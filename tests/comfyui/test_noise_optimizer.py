"""The Noise Optimizer node, called as ComfyUI calls it: results, and what it refuses before any long work."""

import copy
import functools
import inspect
import math

import pytest
import torch

SETTINGS = dict(prompt="", steps=2, learning_rate=0.02, time_budget=0.0, preview_every=0)


@pytest.fixture(scope="module")
def wires(tiny, tmp_path_factory):
    """What is connected to the node in a working graph."""
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise
    from gper_pack.nodes.picture_statistics import PictureStatisticsNode

    folder = tmp_path_factory.mktemp("models")
    return dict(
        noise=Noise_RandomNoise(7),
        guider=tiny.guider(tiny.flux(folder).stock),
        sigmas=torch.tensor([1.0, 0.0]),
        latent_image={"samples": torch.zeros(2, 16, 8, 8)},
        vae=tiny.taesd(folder).stock,
        reward=PictureStatisticsNode.execute("brightness")[0],
    )


@pytest.fixture(scope="module")
def optimize(pack, wires):
    from gper_pack.nodes.noise_optimizer import NoiseOptimizer

    def run(**changes):
        with torch.inference_mode():
            node = NoiseOptimizer.PREPARE_CLASS_CLONE(None)
            return node.execute(**{**wires, **SETTINGS, **changes})

    return run


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


def test_an_empty_latent_of_another_model_is_adapted(optimize):
    latent = optimize(latent_image={"samples": torch.zeros(1, 4, 8, 8), "batch_index": [0]}).args[1]
    assert latent["samples"].shape == (1, 16, 8, 8) and latent["batch_index"] == [0]


def test_noise_refuses_another_size_and_names_both(optimize):
    noise = optimize().args[0]
    with pytest.raises(ValueError, match=r"\(2, 16, 8, 8\).*\(2, 16, 8, 16\)"):
        noise.generate_noise({"samples": torch.zeros(2, 16, 8, 16)})
    with pytest.raises(ValueError, match="batch size"):
        noise.generate_noise({"samples": torch.zeros(3, 16, 8, 8)})


def test_noise_honours_batch_index(optimize, wires):
    noise = optimize().args[0]
    whole = noise.generate_noise(wires["latent_image"])
    one = noise.generate_noise({"samples": torch.zeros(1, 16, 8, 8), "batch_index": [1]})
    assert torch.equal(one[0], whole[1])


class OneDrawForEach:
    """Another noise for each picture, whatever its batch_index."""

    seed = 0

    def generate_noise(self, latent):
        return torch.randn(latent["samples"].shape, generator=torch.Generator().manual_seed(0))


def stock_latent(name, **inputs):
    """What a stock node makes of latents."""
    import comfy_extras.nodes_post_processing  # noqa: F401, first: nodes_latent imports it in a circle
    from comfy_extras import nodes_latent

    import nodes

    if hasattr(nodes_latent, name):
        return getattr(nodes_latent, name).execute(**inputs)[0]
    node = getattr(nodes, name)()
    return getattr(node, node.FUNCTION)(**inputs)[0]


def latents_of(way):
    one, two = ({"samples": torch.zeros(batch, 16, 8, 8)} for batch in (1, 2))
    if way == "Latent Batch":
        return stock_latent("LatentBatch", samples1=one, samples2=one)
    if way == "Seed Behavior":
        return stock_latent("LatentBatchSeedBehavior", samples=two, seed_behavior="fixed")
    if way == "swapped":
        parts = [stock_latent("LatentFromBatch", samples=two, batch_index=i, length=1) for i in (1, 0)]
        return stock_latent("LatentBatch", samples1=parts[0], samples2=parts[1])
    if way == "one of many":
        return stock_latent("LatentFromBatch", samples=stock_latent("RepeatLatentBatch", samples=two, amount=3),
                            batch_index=4, length=2)  # fmt: skip
    raise ValueError(way)


@pytest.mark.parametrize(
    "way, index", [("Latent Batch", [0, 0]), ("Seed Behavior", [0, 0]), ("swapped", [1, 0]), ("one of many", [4, 5])]
)
def test_the_optimized_latent_gets_its_own_noises(optimize, way, index):
    """Whatever stock nodes made its batch_index: each picture has the noise that was optimized for it."""
    latent = latents_of(way)
    assert latent["batch_index"] == index
    noise, after = optimize(latent_image=latent, noise=OneDrawForEach()).args[:2]
    assert not torch.equal(noise.noise[0], noise.noise[1])
    for same in (latent, after, {"samples": latent["samples"]}):
        assert torch.equal(noise.generate_noise(same), noise.noise)


def test_picks_of_an_optimized_batch_follow_its_own_count(optimize):
    latent = latents_of("one of many")
    noise = optimize(latent_image=latent).args[0]
    for i in (0, 1):
        pick = stock_latent("LatentFromBatch", samples=latent, batch_index=i, length=1)
        assert torch.equal(noise.generate_noise(pick), noise.noise[i : i + 1])
    swapped = {**latent, "batch_index": [5, 4]}
    assert torch.equal(noise.generate_noise(swapped), noise.noise.flip(0))


def test_picks_that_cannot_be_told_are_refused(optimize):
    twice = latents_of("Latent Batch")
    noise = optimize(latent_image=twice, noise=OneDrawForEach()).args[0]
    with pytest.raises(ValueError, match="with different noises for 0: sample the whole batch"):
        noise.generate_noise(stock_latent("LatentFromBatch", samples=twice, batch_index=1, length=1))
    three = {"samples": torch.zeros(3, 16, 8, 8)}
    with pytest.raises(ValueError, match="there is none for 2"):
        optimize().args[0].generate_noise(stock_latent("LatentFromBatch", samples=three, batch_index=1, length=2))


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


def test_an_empty_latent_tells_every_ratio_that_comfyui_knows(optimize, monkeypatch):
    import comfy.sample

    told, stock = [], comfy.sample.fix_empty_latent_channels
    known = {"downscale_ratio_spacial": 8, "downscale_ratio_temporal": 4}

    @functools.wraps(stock)
    def fix(model, samples, **ratios):
        told.append(ratios)
        return stock(model, samples, **ratios)

    monkeypatch.setattr(comfy.sample, "fix_empty_latent_channels", fix)
    optimize(latent_image={"samples": torch.zeros(1, 16, 8, 8), **known})
    parameters = inspect.signature(stock).parameters
    assert told[0] == {name: ratio for name, ratio in known.items() if name in parameters}


class NanNoise:
    seed = 0

    def generate_noise(self, latent):
        return torch.full_like(latent["samples"], math.nan)


def text_reward():
    from gper_pack.nodes.rewards.reward_handle import RewardHandle
    from gper_pack.reward_models import RewardModel

    class ReadsText(RewardModel):
        name, needs_prompt = "text score", True

    return RewardHandle(ReadsText())


class FourScores(torch.nn.Module):
    name, needs_prompt, typical_range = "four", False, (0, 1)

    def forward(self, images, prompts=None):
        return images.mean((2, 3))


def wrong_shape():
    from gper_pack.nodes.rewards.reward_handle import RewardHandle

    return RewardHandle(FourScores())


def four_channel_vae():
    import comfy.sd
    from diffusers import AutoencoderTiny

    tiny = AutoencoderTiny(latent_channels=4)
    weights = {}
    for part, offset in (("encoder", 0), ("decoder", 1)):
        for key, value in getattr(tiny, part).state_dict().items():
            _, index, rest = key.split(".", 2)
            weights[f"taesd_{part}.{int(index) + offset}.{rest}"] = value
    return comfy.sd.VAE(sd=weights)


@pytest.mark.parametrize(
    "changes, message",
    [
        (lambda: dict(steps=0), "steps is 0"),
        (lambda: dict(learning_rate=math.nan), "learning_rate is nan"),
        (lambda: dict(learning_rate=-0.1), "learning_rate is -0.1"),
        (lambda: dict(time_budget=math.nan), "time budget is nan"),
        (lambda: dict(sigmas=torch.tensor([1.0])), r"sigmas holds 1 value"),
        (lambda: dict(sigmas=torch.tensor([])), r"sigmas holds 0 value"),
        (lambda: dict(sigmas=torch.linspace(1, 0, 21)), "sigmas has 20 steps"),
        (lambda: dict(sigmas=torch.tensor([0.0, 0.0])), "must fall to 0"),
        (lambda: dict(sigmas=torch.tensor([1.0, 0.5])), "must fall to 0"),
        (lambda: dict(sigmas=torch.tensor([1.0, 0.0, 0.0])), "must fall to 0"),
        (lambda: dict(noise=NanNoise()), "noise holds values that are not finite"),
        (lambda: dict(latent_image={"samples": torch.zeros(1, 16, 1, 8, 8)}), "that of a video"),
        (lambda: dict(latent_image={"samples": torch.zeros(16, 8, 8)}), "a batch of pictures has batch, channels"),
        (lambda: dict(latent_image={"samples": torch.ones(1, 4, 8, 8)}), "4 channels, but the model works with 16"),
        (lambda: dict(vae=four_channel_vae()), "decodes 4 latent channels"),
        (lambda: dict(reward=text_reward()), "fill in the Noise Optimizer's prompt"),
    ],
)
def test_refused_before_the_model_is_loaded(optimize, wires, monkeypatch, changes, message):
    changed = changes()

    def must_not_load(*args, **kwargs):
        raise AssertionError("a model was loaded first")

    import comfy.model_management

    monkeypatch.setattr(comfy.model_management, "load_models_gpu", must_not_load)
    with pytest.raises(ValueError, match=message) as error:
        optimize(**changed)
    assert "\n" not in str(error.value)


def test_a_cache_of_earlier_steps_is_refused(optimize, wires, tiny):
    from comfy_extras.nodes_easycache import EasyCacheNode
    from gper_pack.nodes.inputs.methods import METHODS

    patched = EasyCacheNode.execute(wires["guider"].model_patcher, 0.2, 0.15, 0.95, False).args[0]
    for method in (None, METHODS["best of seeds"]):
        with pytest.raises(ValueError, match="EasyCache"):
            optimize(guider=tiny.guider(patched), method=method)


def test_a_model_split_over_gpus_is_refused(optimize, wires, tiny):
    patched = wires["guider"].model_patcher.clone()
    patched.set_additional_models("multigpu", [wires["guider"].model_patcher])
    with pytest.raises(ValueError, match="MultiGPU CFG Split"):
        optimize(guider=tiny.guider(patched))


def test_attention_without_a_backward_is_refused_where_it_cannot_be_replaced(optimize, monkeypatch):
    import comfy.ldm.modules.attention
    from gper_pack.nodes.differentiable import model_presets

    def attention_sage(*args, **kwargs):
        raise AssertionError("no model may get here")

    monkeypatch.setattr(comfy.ldm.modules.attention, "optimized_attention", attention_sage)
    optimize()
    monkeypatch.setattr(model_presets, "PRESETS", ())
    with pytest.raises(ValueError, match="--use-sage-attention"):
        optimize()


def test_an_operation_without_a_backward_is_named(optimize, wires, monkeypatch):
    @torch.library.custom_op("gper_test::forward_only", mutates_args=())
    def forward_only(x: torch.Tensor) -> torch.Tensor:
        return x * 1

    block = wires["guider"].model_patcher.model.diffusion_model.final_layer
    monkeypatch.setattr(block, "forward", lambda *args, forward=block.forward, **kw: forward_only(forward(*args, **kw)))
    with pytest.raises(ValueError, match="no gradients.*forward_only.*best of seeds"):
        optimize()


def test_a_compiled_model_is_refused_unless_no_gradient_is_wanted(optimize, wires, monkeypatch):
    monkeypatch.setitem(
        wires["guider"].model_patcher.object_patches, "diffusion_model.img_in", torch.compile(torch.nn.Identity())
    )
    with pytest.raises(ValueError, match="torch.compile"):
        optimize()


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


def test_a_search_may_take_many_sampling_steps(optimize):
    from gper_pack.nodes.inputs.methods import METHODS

    assert "best of seeds" in optimize(sigmas=torch.linspace(1, 0, 13), method=METHODS["best of seeds"]).args[2]


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


def test_a_reward_of_the_wrong_shape(optimize):
    with pytest.raises(ValueError, match=r"one score per image, shape \(2,\)"):
        optimize(reward=wrong_shape())


def test_comfyui_is_not_asked_for_a_client(optimize):
    """Headless: no node id, no page."""
    assert optimize(preview_every=1).args[2]
