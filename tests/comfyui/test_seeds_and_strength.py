"""The Noise Optimizer with seeds first and a strength, called as ComfyUI calls it."""

import math

import pytest
import torch

pytestmark = pytest.mark.usefixtures("newer_host")

SEEDS, STEPS = 5, 4


def noise_of(output, wires):
    return output.args[0].generate_noise(wires["latent_image"])


def random_noise(seed, wires):
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise

    return Noise_RandomNoise(seed).generate_noise(wires["latent_image"])


def start_of(output, wires):
    """The noise that each picture's steps began with, from the seeds that the file tells."""
    seeds = output.args[0].history.start_seeds
    return torch.stack([random_noise(seed, wires)[i] for i, seed in enumerate(seeds)])


@pytest.fixture(scope="module")
def from_seeds(optimize):
    return optimize(seeds_first=SEEDS, steps=STEPS)


@pytest.mark.numerical
def test_the_seeds_are_those_of_best_of_seeds(from_seeds, wires, tiny, optimize):
    """Each picture goes on from its own best of them, which is RandomNoise of the seed that is told."""
    from gper_pack.nodes.inputs.methods import METHODS

    history = torch.tensor(from_seeds.ui["reward_history"])
    assert history.shape == (SEEDS + 1 + STEPS, 2)
    searched = optimize(method=METHODS["best of seeds"], steps=SEEDS - 1, learning_rate=0.0)
    assert torch.allclose(history[:SEEDS], torch.tensor(searched.ui["reward_history"]), atol=1e-6)
    best = history[:SEEDS].max(0)
    told = from_seeds.args[0].history
    assert told.start_seeds == [7 + 1_000_003 * step for step in best.indices.tolist()]
    assert len(set(told.start_seeds)) == 2
    assert told.start_scores == pytest.approx(best.values.tolist())
    assert torch.allclose(history[SEEDS], best.values, atol=1e-6)
    for i, seed in enumerate(told.start_seeds):
        alone = optimize(noise=NoiseOf(random_noise(seed, wires)), steps=STEPS)
        assert torch.allclose(noise_of(alone, wires)[i], noise_of(from_seeds, wires)[i], atol=1e-4)


class NoiseOf:
    seed = 0

    def __init__(self, noise):
        self.noise = noise

    def generate_noise(self, latent):
        return self.noise


def test_neighbouring_seeds_share_none_that_they_try(pack, wires):
    """A list, a batch or "increment" would make the same picture again and again."""
    from gper_pack.nodes.inputs.settings import Settings

    tried = [
        {Settings(0.0, None, {}, seed, None).seed_of(step) for step in range(1024)} for seed in range(2**64 - 8, 2**64)
    ]
    assert len(set().union(*tried)) == 8 * 1024


def test_a_given_noise_is_climbed_from(from_seeds, optimize, wires):
    """Whoever loads a noise, varies or resizes it wants it, and not a stranger that scores higher."""
    given = from_seeds.args[0]
    output, plain = (optimize(noise=given, seeds_first=seeds, steps=STEPS) for seeds in (32, 0))
    assert output.ui == plain.ui and output.args[0].history == plain.args[0].history
    assert "Starts from the connected noise: only for that of RandomNoise are other seeds" in output.args[2]
    assert "Starts from" not in plain.args[2]


def test_a_given_noise_that_no_seed_draws_is_not_told_as_one(from_seeds, optimize):
    """An optimized noise has the seed that it grew from; RandomNoise of that seed is another noise."""
    from gper_pack.nodes.inputs.methods import METHODS

    given = from_seeds.args[0]
    assert given.seed == 7
    searched = optimize(noise=given, method=METHODS["best of seeds"], learning_rate=0.0).args[0]
    assert searched.history.best_steps == [0, 0] and searched.history.seeds == []


def test_a_run_that_ends_among_its_seeds_tells_whose_noise_is_kept(optimize, wires):
    """No step has changed it: it is what RandomNoise has for that seed."""
    output = optimize(seeds_first=SEEDS, steps=STEPS, time_budget=1e-6)
    told = output.args[0].history
    assert len(output.ui["reward_history"]) < SEEDS and told.steps == 0
    assert told.seeds == told.start_seeds == [7, 7] and "seed of the best noise: 7" in told.text()
    assert torch.equal(noise_of(output, wires), random_noise(7, wires))


def test_the_report_tells_what_the_seeds_gave_and_what_the_steps_added(from_seeds):
    history = torch.tensor(from_seeds.ui["reward_history"])
    report, told = from_seeds.args[2], from_seeds.args[0].history
    gave = (history[:SEEDS].max(0).values - history[0]).mean()
    added = (history.max(0).values - history[:SEEDS].max(0).values).mean()
    assert f"Starts from the best of {SEEDS} seeds" in report and f"all {STEPS} steps done" in report
    assert f"Of {SEEDS} seeds the best one was {gave:.4f} better than the first; the steps added {added:.4f}." in report
    assert all(f"  {seed} " in report for seed in told.start_seeds) and f"{STEPS} steps in" in report
    assert told.steps == STEPS and all(0 <= step <= STEPS for step in told.best_steps)


@pytest.mark.numerical
@pytest.mark.parametrize("seeds_first", [0, 1])
def test_off_is_the_run_of_before(optimize, wires, seeds_first):
    plain = optimize(steps=STEPS)
    off = optimize(steps=STEPS, seeds_first=seeds_first, strength=1.0)
    assert torch.equal(noise_of(off, wires), noise_of(plain, wires))
    assert off.ui == plain.ui and off.args[0].history == plain.args[0].history
    assert "seed" not in off.args[2] and "strength" not in off.args[2]


@pytest.mark.parametrize("seeds_first", [0, SEEDS])
@pytest.mark.parametrize("method", ["GPER", "PRNO", "ReNO"])
def test_the_noise_stays_within_the_strength(optimize, wires, method, seeds_first):
    from gper_pack.nodes.inputs.methods import METHODS
    from gper_pack.preconditioning import block_norm_deviations, project_white_gaussian

    chosen, rate = METHODS[method], 5.0 if method == "ReNO" else 0.1
    outputs = [
        optimize(method=chosen, steps=10, learning_rate=rate, seeds_first=seeds_first, strength=strength)
        for strength in (0.05, 1.0)
    ]
    start = start_of(outputs[0], wires) if seeds_first else wires["noise"].generate_noise(wires["latent_image"])
    center = project_white_gaussian(start) if method == "GPER" else start
    near, free = (
        torch.nn.functional.cosine_similarity(noise_of(output, wires).flatten(1), center.flatten(1))
        for output in outputs
    )
    assert (near >= math.cos(0.05 * math.pi / 2) - 1e-5).all() and (method == "ReNO" or (near > free).all())
    assert "Stays within strength 0.05 of its start." in outputs[0].args[2]
    assert outputs[0].args[0].history.strength == 0.05
    if method == "GPER":
        assert torch.stack(block_norm_deviations(noise_of(outputs[0], wires))).abs().max() < 1e-4


@pytest.mark.parametrize("at", [2, SEEDS + 2])
def test_stop_and_keep_in_either_phase(optimize, wires, monkeypatch, at):
    from gper_pack.runs.live_run import LiveRun

    monkeypatch.setattr(LiveRun, "stop_requested", property(lambda run: len(run.history) > at))
    output = optimize(seeds_first=SEEDS, steps=STEPS)
    history = torch.tensor(output.ui["reward_history"])
    assert len(history) == at + 1 and "Stopped: by hand" in output.args[2]
    assert f"Of {min(at + 1, SEEDS)} seeds" in output.args[2]
    assert output.args[0].history.scores["brightness"] == pytest.approx(history.max(0).values.tolist())
    if at < SEEDS:
        assert torch.equal(noise_of(output, wires), start_of(output, wires))


def test_the_page_knows_the_phase(optimize, monkeypatch):
    from gper_pack.nodes.live import run_progress

    told = []
    note = run_progress.RunProgress._note

    def noted(progress, step):
        note(progress, step)
        told.append(progress.live.event() | {"total": progress.live.snapshot()["steps"]})

    monkeypatch.setattr(run_progress.RunProgress, "_note", noted)
    output = optimize(seeds_first=SEEDS, steps=STEPS)
    history = torch.tensor(output.ui["reward_history"])
    best = float(history[:SEEDS].max(0).values.mean())
    assert {event["seeds"] for event in told} == {SEEDS} and {event["total"] for event in told} == {STEPS}
    assert [event["seeds_best"] for event in told] == [None] * SEEDS + [pytest.approx(best)] * (STEPS + 1)
    assert not any(event["in_seeds"] for event in told), "too few seeds to say anything"
    left = [event["seconds_left"] for event in told]
    assert left[:SEEDS] == [None] * SEEDS and left[-1] == 0 and all(seconds > 0 for seconds in left[SEEDS:-1])


def test_a_watched_reward_is_followed_from_the_best_seed_on(node_classes, optimize, wires):
    """Seeds differ more than a step does: they must not end the run."""
    statistic, mix = node_classes["GPER_PictureStatistics"].execute, node_classes["GPER_RewardMix"].execute
    darkness = statistic("brightness", "less")[0]  # falls as the steps climb, and between the seeds
    reward = mix(wires["reward"], darkness, weight=0.0, stop_if_falls_by=1e-6, for_steps=1)[0]
    output = optimize(reward=reward, seeds_first=SEEDS, steps=STEPS)
    told = output.args[0].history
    assert len(output.ui["reward_history"]) == SEEDS + 2 and told.best_steps == [0, 0]
    assert "for 1 steps; the best noise from before it fell, up to step 0, is handed on" in output.args[2]
    assert torch.equal(noise_of(output, wires), start_of(output, wires))


def test_the_file_keeps_it(from_seeds, tmp_path):
    from gper_pack.runs.noise_format import read_noise, write_noise

    path, noise = str(tmp_path / "noise.safetensors"), from_seeds.args[0]
    write_noise(path, noise.noise, noise.seed, noise.history, {})
    assert read_noise(path).history == noise.history
    assert f"started from seed: {', '.join(map(str, noise.history.start_seeds))} (" in noise.history.text()


@pytest.mark.parametrize("strength", [-1.0, 1.5, math.nan])
def test_a_strength_that_cannot_be_meant_is_refused_at_once(optimize, strength):
    with pytest.raises(ValueError, match="strength is"):
        optimize(strength=strength)
