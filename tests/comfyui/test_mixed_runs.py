"""Runs on several rewards in the demo world, called as ComfyUI calls them: what counts, what is kept, what ends one."""

import math
import re

import pytest
import torch

pytestmark = pytest.mark.usefixtures("newer_host")


@pytest.fixture(scope="module")
def world(node_classes):
    """Model, VAE, conditioning, reward and held-out reward."""
    return node_classes["GPER_DemoWorld"].execute("day").args


@pytest.fixture(scope="module")
def optimize(world):
    from comfy_extras.nodes_custom_sampler import Guider_Basic, Noise_RandomNoise
    from gper_pack.nodes.inputs.methods import METHODS
    from gper_pack.nodes.noise_optimizer import NoiseOptimizer

    model, vae, conditioning = world[:3]
    guider = Guider_Basic(model)
    guider.set_conds(conditioning)

    def run(reward, seed=3, batch=1, method="GPER", **settings):
        settings = {"steps": 3, "learning_rate": 0.0, "time_budget": 0.0, "preview_every": 0, **settings}
        with torch.inference_mode():
            return NoiseOptimizer.PREPARE_CLASS_CLONE(None).execute(
                noise=Noise_RandomNoise(seed),
                guider=guider,
                sigmas=torch.tensor([1.0, 0.0]),
                latent_image={"samples": torch.zeros(batch, 16, 8, 8)},
                vae=vae,
                reward=reward,
                prompt="",
                method=METHODS[method],
                **settings,
            )

    return run


def statistic(name, goal="more"):
    from gper_pack.nodes.picture_statistics import PictureStatisticsNode

    return PictureStatisticsNode.execute(name, goal)[0]


def mixed(*arguments, **options):
    from gper_pack.nodes.reward_mix import RewardMixNode

    return RewardMixNode.execute(*arguments, **options)[0]


class Broken(torch.nn.Module):
    """A reward of weight 0 that is not finite for the pictures in `where`, at the calls in `when`; else another one."""

    name, needs_prompt, typical_range = "broken", False, (0.0, 1.0)

    def __init__(self, reward, where, when):
        super().__init__()
        self.reward, self.where, self.when, self.calls = reward, where, when, 0

    def forward(self, images, prompts=None):
        scores = self.reward(images, prompts).clone()
        if self.calls in self.when:
            scores[self.where] = math.nan
        self.calls += 1
        return scores


def broken(reward, where, when):
    from gper_pack.nodes.rewards.reward_handle import RewardHandle

    return RewardHandle(Broken(reward.model, where, when))


def test_the_noise_from_before_a_watched_reward_fell_is_handed_on(optimize, world):
    watched = mixed(statistic("sharpness"), world[3], 0.0, stop_if_falls_by=0.3, for_steps=3)
    output = optimize(watched, learning_rate=0.3, steps=40)
    noise, _, report = output.args[:3]
    totals = [row[0] for row in output.ui["reward_history"]]
    last = int(re.search(r"from before it fell, up to step (\d+), is handed on", report)[1])
    assert last == len(totals) - 4 and max(totals) > max(totals[: last + 1])
    assert noise.history.best_steps == [totals.index(max(totals[: last + 1]))]
    assert f"The noise is that of step {noise.history.best_steps[0]}." in report
    assert f"{max(totals[: last + 1]):.4f} at best" in report
    best = noise.history.scores["demo taste"][0]
    assert best == pytest.approx(float(world[3].model(painted(world, output))), abs=1e-3)


def painted(world, output):
    with torch.inference_mode():
        return world[1].decode(output.args[1]["samples"])[..., :3].movedim(-1, 1)


def test_a_fooled_reward_is_noticed_and_the_noise_from_before_is_kept(optimize, world, node_classes):
    """Without protection the target climbs on while the held-out reward falls; the file paints what was before."""
    watched = mixed(world[3], world[4], 0.0)
    output = optimize(watched, seed=11, method="none", learning_rate=0.05, steps=30, seeds_first=16)
    noise, _, report = output.args[:3]
    since, file = re.search(r"Likely fooled from step (\d+) on: .* is kept as (before_fooled\S+):", report).groups()
    kept, latent, about = node_classes["GPER_LoadNoise"].execute(file).args
    assert kept.history.best_steps[0] < int(since) <= noise.history.best_steps[0]
    history, target, guard = noise.history, *(f"demo taste{name}" for name in ("", " (held out)"))
    assert kept.history.scores[target] < history.scores[target]
    assert kept.history.scores[guard] > history.scores[guard]
    assert re.search(rf"{target}: [\d.]+ \(above all 16 plain seeds, as good as the best of ", about)
    assert "mix: above all 16 plain seeds, as good as the best of more than 160; demo taste: " in report
    assert history.seed_equivalents["mix"][0].number is None
    with torch.inference_mode():
        images = world[1].decode(sampled(world, kept, latent))[..., :3].movedim(-1, 1)
        assert kept.history.scores[guard] == pytest.approx(world[4].model(images).tolist(), abs=1e-3)


def sampled(world, noise, latent):
    import comfy.samplers
    from comfy_extras.nodes_custom_sampler import Guider_Basic, SamplerCustomAdvanced

    guider = Guider_Basic(world[0])
    guider.set_conds(world[2])
    euler = comfy.samplers.sampler_object("euler")
    return SamplerCustomAdvanced.execute(noise, guider, euler, torch.tensor([1.0, 0.0]), latent)[1]["samples"]


def test_a_sound_run_raises_no_suspicion(optimize, world):
    report = optimize(mixed(world[3], world[4], 0.0), steps=6, seeds_first=16).args[2]
    assert "fooled" not in report and "demo taste (held out): " in report


def test_a_watched_reward_that_is_not_finite_takes_no_picture_out(optimize, world):
    watched = mixed(statistic("brightness"), broken(world[3], where=1, when=range(100)), 0.0)
    report = optimize(watched, batch=2).args[2]
    assert "all 3 steps done" in report and "not finite" not in report


def test_a_watched_reward_guards_on_after_one_that_is_not_finite(optimize):
    guard = broken(statistic("brightness", "less"), where=0, when=[1])
    watched = mixed(statistic("brightness"), guard, 0.0, stop_if_falls_by=0.005, for_steps=2)
    assert "which is watched, was more than 0.005 below" in optimize(watched, batch=2, steps=40, learning_rate=0.1)[2]


def test_what_is_not_finite_stands_in_no_mean(optimize):
    output = optimize(broken(statistic("brightness"), where=1, when=range(100)), batch=2)
    best = max(row[0] for row in output.ui["reward_history"])
    assert f"{best:.4f} at best." in output.args[2]
    report = optimize(broken(statistic("brightness"), where=[0, 1], when=range(100)), batch=2).args[2]
    assert report.startswith("broken: no finite score.") and "No other noise than the start noise was tried" in report


class Channel(torch.nn.Module):
    """The mean of one channel, times a scale."""

    needs_prompt, typical_range = False, (0.0, 1.0)

    def __init__(self, channel, scale):
        super().__init__()
        self.name, self.channel, self.scale = f"channel {channel}", channel, scale

    def forward(self, images, prompts=None):
        return self.scale * images[:, self.channel].mean((1, 2))


def channel(index, scale):
    from gper_pack.nodes.rewards.reward_handle import RewardHandle

    return RewardHandle(Channel(index, scale))


def rises(output, *names):
    """How far the kept noise's scores lie above the start's."""
    starts = [float(re.search(rf"^{name} +(-?[\d.]+)", output.args[2], re.MULTILINE)[1]) for name in names]
    return [output.args[0].history.scores[name][0] - start for name, start in zip(names, starts, strict=True)]


@pytest.mark.parametrize("method", ["local search", "best of seeds"])
def test_equal_pull_searches_for_both_whatever_their_scales(optimize, method):
    """The picture's red channel against less of its blue one: they go together, so by raw numbers one alone decides."""
    kept = []
    for scale in (0.05, 100.0):
        output = optimize(mixed(channel(0, 1.0), channel(2, -scale)), method=method, steps=60)
        red, less_blue = rises(output, "channel 0", "channel 2")
        assert red > 0 and less_blue > 0
        kept.append(output.args[0].history)
    assert kept[0].best_steps == kept[1].best_steps and any(kept[0].best_steps)
    assert kept[0].scores["mix"] == pytest.approx(kept[1].scores["mix"], rel=1e-3)


def test_equal_pull_does_not_sell_the_taste_for_sharpness(optimize, world):
    reward = mixed(world[3], statistic("sharpness", "less"))
    taste, sharpness = rises(optimize(reward, seed=5, method="local search", steps=50), "demo taste", "sharpness")
    assert taste > 0 and sharpness > 0


def test_equal_pull_has_units_that_the_report_names_and_the_target_counts_in(optimize, world):
    reward = mixed(world[3], statistic("sharpness", "less"))
    output = optimize(reward, steps=20)
    report, totals = output.args[2], [row[0] for row in output.ui["reward_history"]]
    assert re.search(r"Equal pull: mix counts .* \(demo taste [\d.]+, sharpness [\d.e+]+\)", report)
    assert f"mix: {totals[0]:.4f} at the start, {max(totals):.4f} at best." in report and max(map(abs, totals)) < 20
    assert all(map(float.__eq__, totals, (row[0] for row in optimize(reward, steps=20).ui["reward_history"])))
    target = (totals[0] + max(totals)) / 2
    assert "reached the target reward" in optimize(reward, steps=20, target_reward=target).args[2]


def test_one_reward_and_its_watchers_need_no_units(optimize, world):
    """Their order is that of the one; nothing is measured, and the number stays its score."""
    watched, alone = optimize(mixed(world[3], statistic("sharpness"), 0.0)), optimize(world[3])
    histories = [torch.tensor(output.ui["reward_history"]) for output in (watched, alone)]
    assert torch.allclose(*histories, atol=1e-4) and "Equal pull" not in watched.args[2]
