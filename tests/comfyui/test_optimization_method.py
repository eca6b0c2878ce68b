"""The Optimization Method node in front of the Noise Optimizer: every method, on a tiny model, through the node."""

import pytest
import torch

pytestmark = pytest.mark.usefixtures("newer_host")

STEPS = 2
METHODS = ["GPER", "MPGR", "PRNO", "ReNO", "none", "best of seeds", "local search", "spectral evolution"]
SEARCHES = METHODS[-3:]


@pytest.fixture(scope="module")
def method_of(pack):
    from gper_pack.nodes.optimization_method import OptimizationMethod

    return lambda name, **options: OptimizationMethod.execute(name, **options)[0]


@pytest.fixture(scope="module")
def optimize(optimize, method_of):
    def run(method=None, options=None, **changes):
        chosen = None if method is None else method_of(method, **(options or {}))
        return optimize(**{"steps": STEPS, "learning_rate": 0.0, **changes}, method=chosen)

    return run


def noise_of(output, wires):
    return output.args[0].generate_noise(wires["latent_image"])


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_and_the_report_names_it(optimize, wires, method):
    output = optimize(method)
    _, latent, report = output.args[:3]
    assert f"Method: {method}" in report and f"all {STEPS} steps done" in report
    assert output.args[0].history.method.split(" (")[0] == method
    history = torch.tensor(output.ui["reward_history"])
    assert history.shape == (STEPS + 1, 2) and torch.isfinite(history).all()
    assert latent["samples"].shape == (2, 16, 8, 8) and noise_of(output, wires).shape == (2, 16, 8, 8)
    assert torch.equal(noise_of(optimize(method), wires), noise_of(output, wires))


def test_not_connected_is_gper(optimize, wires):
    assert torch.equal(noise_of(optimize(), wires), noise_of(optimize("GPER"), wires))


@pytest.mark.parametrize("method", SEARCHES)
def test_searches_build_no_graph_and_do_not_switch_the_host(optimize, monkeypatch, method):
    import comfy.model_management
    from gper_pack.nodes.live import run_progress

    seen = []
    original = run_progress.RunProgress.__call__

    def watch(self, step):
        seen.append((step.images.requires_grad, comfy.model_management.in_training, torch.is_inference_mode_enabled()))
        return original(self, step)

    monkeypatch.setattr(run_progress.RunProgress, "__call__", watch)
    optimize(method)
    assert seen == [(False, False, True)] * (STEPS + 1)


@pytest.mark.parametrize("method", SEARCHES)
def test_searches_run_where_gradients_are_refused(optimize, wires, monkeypatch, method):
    """A model in a format whose kernels have no backward pass."""
    block = wires["guider"].model_patcher.model.diffusion_model.double_blocks[0]
    monkeypatch.setattr(block, "quant_format", "svdq_w4a4", raising=False)
    with pytest.raises(ValueError, match="search without gradients"):
        optimize("GPER")
    assert "all 2 steps done" in optimize(method).args[2]


@pytest.mark.parametrize("method", SEARCHES)
def test_a_reward_without_a_gradient_can_be_searched(optimize, wires, method):
    from gper_pack.nodes.rewards.reward_handle import RewardHandle
    from gper_pack.reward_models import RewardModel

    class BrightPixels(RewardModel):
        name, needs_prompt, typical_range = "bright pixels", False, (0, 1)

        def forward(self, images, prompts=None):
            return (images > 0.5).float().mean((1, 2, 3))

    output = optimize(method, reward=RewardHandle(BrightPixels()), steps=15)
    history = torch.tensor(output.ui["reward_history"])
    assert len(history) == 16 and (history.max(0).values > history[0]).all()


def test_best_of_seeds_finds_the_noise_of_another_seed(optimize, wires):
    """RandomNoise of the seed that is told is the same noise."""
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise

    output = optimize("best of seeds", steps=5)
    noise, steps = noise_of(output, wires), output.args[0].history.best_steps
    assert any(steps)
    for picture, step in enumerate(steps):
        expected = Noise_RandomNoise(7 + 1_000_003 * step).generate_noise(wires["latent_image"])
        assert torch.equal(noise[picture], expected[picture])


def test_best_of_seeds_tells_the_seed_that_won(optimize, wires, pack, tmp_path):
    """In the file and in Rank Results; the sampler's own seed stays the start's, for the same picture."""
    from gper_pack.nodes.rank_results import RankResults
    from gper_pack.runs.noise_format import read_noise, write_noise

    one = {"samples": torch.zeros(1, 16, 8, 8)}
    noise = optimize("best of seeds", steps=5, latent_image=one).args[0]
    (step,) = noise.history.best_steps
    seed = 7 + 1_000_003 * step
    assert step > 0 and noise.history.seeds == [seed] and noise.seed == 7
    write_noise(str(tmp_path / "noise.safetensors"), noise.noise, noise.seed, noise.history, {})
    saved = read_noise(str(tmp_path / "noise.safetensors"))
    assert saved.history.seeds == [seed]
    assert f"seed of the best noise: {seed}" in saved.history.text()
    table = RankResults.execute([torch.rand(1, 32, 32, 3)], [wires["reward"]], [1], noises=[noise])[2]
    assert table.endswith(f"seed {seed}")
    assert optimize("local search", latent_image=one).args[0].history.seeds == []


@pytest.mark.numerical
def test_local_search_stays_on_the_white_gaussian_set(optimize, wires):
    from gper_pack.preconditioning import block_norm_deviations

    output = optimize("local search", steps=8, options={"search_radius": 0.1})
    steps = output.args[0].history.best_steps
    moved = torch.tensor(steps) > 0
    apart = torch.stack(block_norm_deviations(noise_of(output, wires))).abs().amax((0, 2))
    assert moved.any() and (apart[moved] < 1e-4).all()


def test_spectral_evolution_keeps_the_details_of_the_noise(optimize, wires):
    """Blocks of 8 by 8, the whole of a small latent: each channel is shifted as a whole."""
    noise = noise_of(optimize("spectral evolution", steps=8), wires)
    moved = noise - wires["noise"].generate_noise(wires["latent_image"])
    assert moved.abs().amax() > 0.01
    torch.testing.assert_close(moved, moved.mean((-2, -1), keepdim=True).expand_as(moved), rtol=0, atol=1e-5)


@pytest.mark.numerical
def test_steps_that_fall_are_named_and_shorter(optimize, wires):
    """With plain steps a shorter step is less of a way; the first one is the same."""
    start = wires["noise"].generate_noise(wires["latent_image"])
    constant, falling = (
        optimize("none", {"optimizer": "Momentum"}, step_rule=rule, steps=6, learning_rate=0.05)
        for rule in ("as the method", "falling")
    )
    assert "(Momentum, steps that fall, gradient clip 0.03)" in falling.args[2] and "fall" not in constant.args[2]
    ways = [(noise_of(output, wires) - start).flatten(1).norm(dim=1) for output in (constant, falling)]
    assert (ways[1] < 0.8 * ways[0]).all()
    assert constant.ui["reward_history"][1] == falling.ui["reward_history"][1]


@pytest.mark.numerical
@pytest.mark.parametrize("sigmas", [[1.0, 0.0], [1.0, 0.6, 0.0]])
@pytest.mark.parametrize("method", SEARCHES)
def test_the_stock_nodes_paint_the_picture_that_was_found(optimize, wires, method, sigmas):
    import comfy.samplers
    from comfy_extras.nodes_custom_sampler import SamplerCustomAdvanced

    sigmas = torch.tensor(sigmas)
    noise, latent = optimize(method, sigmas=sigmas).args[:2]
    with torch.inference_mode():
        euler = comfy.samplers.sampler_object("euler")
        sampled = SamplerCustomAdvanced.execute(noise, wires["guider"], euler, sigmas, wires["latent_image"]).args[0]
    assert torch.allclose(sampled["samples"], latent["samples"], atol=1e-5)


NOT_USED = {
    "GPER": "penalty_weight, search_radius",
    **{name: "search_radius, projector" for name in ("MPGR", "PRNO", "ReNO")},
    "none": "penalty_weight, search_radius, projector",
    "best of seeds": "optimizer, penalty_weight, search_radius, gradient_clip, projector, "
    "learning_rate, seeds_first, strength, step_rule",
    "local search": "optimizer, penalty_weight, gradient_clip, projector, learning_rate, seeds_first, strength, "
    "step_rule",
    "spectral evolution": "optimizer, penalty_weight, search_radius, gradient_clip, projector, "
    "learning_rate, seeds_first, strength, step_rule",
}


@pytest.mark.parametrize("method", METHODS)
def test_what_a_method_does_not_use_is_ignored_and_named(optimize, wires, method):
    """One rule for widgets and for the projector."""
    from gper_pack.preconditioning import WhiteGaussianProjector

    options = dict(optimizer="SGD", penalty_weight=2.0, search_radius=0.1, gradient_clip="1")
    climb = dict(learning_rate=0.05, seeds_first=2, strength=0.5, step_rule="falling")
    output = optimize(method, options, projector=WhiteGaussianProjector(4), **climb)
    assert f"Not used by this method: {NOT_USED[method]}." in output.args[2]
    own = {name: value for name, value in options.items() if name not in NOT_USED[method]}
    projector = None if "projector" in NOT_USED[method] else WhiteGaussianProjector(4)
    alone = optimize(method, own, projector=projector, **climb)
    assert torch.equal(noise_of(output, wires), noise_of(alone, wires))
    assert "Not used" not in optimize(method).args[2]


@pytest.mark.parametrize(
    "options, not_used",
    [
        ({}, ""),
        (dict(optimizer="SGD"), "optimizer"),
        (dict(optimizer="SGD", gradient_clip="1", search_radius=0.1), "search_radius, optimizer, gradient_clip"),
    ],
)
def test_what_the_step_rule_replaces_is_named(optimize, options, not_used):
    falling, own = (
        optimize("GPER", options, step_rule=rule, steps=1).args[2] for rule in ("falling momentum", "as the method")
    )
    assert (f"Not used by this method: {not_used}." if not_used else "projected).") in falling
    assert ("Not used" in falling) == bool(not_used) and "Not used by this method: optimizer" not in own


@pytest.mark.parametrize(
    "method, rule, said",
    [
        ("GPER", "falling momentum", "GPER (block size 16, gradient and noise projected, falling momentum steps)"),
        ("none", "falling", "none (falling steps)"),
        ("best of seeds", "falling", "best of seeds"),
    ],
)
def test_the_file_tells_the_step_rule(optimize, method, rule, said):
    assert optimize(method, step_rule=rule).args[0].history.method == said


@pytest.mark.parametrize(
    "settings, said",
    [
        ({}, "GPER (block size 16, gradient and noise projected)"),
        (dict(block_size=4, project_latent=False), "GPER (block size 4, gradient projected)"),
        (dict(project_gradient=False), "GPER (block size 16, noise projected)"),
        (dict(project_gradient=False, project_latent=False), "none (the projector's boxes are both off)"),
    ],
)
def test_report_and_file_tell_how_the_noise_was_kept_noise(optimize, settings, said):
    from gper_pack.preconditioning import WhiteGaussianProjector

    output = optimize(projector=WhiteGaussianProjector(**settings))
    assert output.args[0].history.method == said
    name, details = said.split(" (")
    assert f"Method: {name} (Adam, gradient clip 0.03, {details}." in output.args[2]


def test_gper_uses_the_projector_that_is_connected(optimize, wires):
    from gper_pack.preconditioning import WhiteGaussianProjector

    free = WhiteGaussianProjector(project_gradient=False, project_latent=False)
    alone, connected, plain = (
        noise_of(optimize(method, projector=projector), wires)
        for method, projector in (("GPER", None), ("GPER", free), ("none", None))
    )
    assert torch.equal(connected, plain) and not torch.equal(connected, alone)


@pytest.mark.parametrize(
    "method, options, changes, rate, clip",
    [
        ("GPER", {}, {}, 0.02, 0.03),
        ("PRNO", {}, {}, 0.02, 1.0),
        ("ReNO", {}, {}, 5.0, 0.1),
        ("MPGR", {}, {}, 50.0, 0.01),
        ("ReNO", {"optimizer": "Adam"}, {}, 0.02, 0.1),
        ("GPER", {"optimizer": "SGD"}, {}, 0.5 / 0.03, 0.03),
        ("ReNO", {"gradient_clip": "0.3"}, {}, 5.0, 0.3),
        ("MPGR", {"gradient_clip": "none"}, {}, 50.0, None),
        ("GPER", {"gradient_clip": "1"}, {}, 0.02, 1.0),
        ("ReNO", {}, {"learning_rate": 2.0}, 2.0, 0.1),
        ("GPER", {"optimizer": "Momentum"}, {}, 0.02, 0.03),
        ("ReNO", {"optimizer": "Momentum"}, {"step_rule": "falling"}, 0.02, 0.1),
        ("GPER", {}, {"step_rule": "falling momentum"}, 0.1, None),
        ("ReNO", {}, {"step_rule": "falling momentum"}, 0.1, None),
        ("GPER", {}, {"step_rule": "falling momentum", "learning_rate": 0.03}, 0.03, None),
    ],
)
def test_step_size_and_clip(optimize, method_of, monkeypatch, method, options, changes, rate, clip):
    """What reaches the ascent, against what the papers say; and the report tells the same."""
    from gper_pack.nodes.inputs import methods
    from gper_pack.optimization import ascend

    seen = {}

    def watched(*args, **kwargs):
        seen.update(lr=kwargs["optimizer"]([torch.zeros(1)]).param_groups[0]["lr"], clip=kwargs["max_gradient_norm"])
        return ascend(*args, **kwargs)

    monkeypatch.setattr(methods, "ascend", watched)
    output = optimize(method, options, steps=1, **changes)
    assert seen["lr"] == pytest.approx(rate) and seen["clip"] == clip
    assert f"learning rate {rate:g}" in output.args[2]
    assert (f"gradient clip {clip:g}" if clip else "no gradient clip") in output.args[2]
    assert output.args[0].history.step_size == pytest.approx(rate)
