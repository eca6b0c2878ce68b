"""The comparison of ways to sample: the ways on a model that can be computed by hand, and the whole at tiny size."""

import json
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from benchmarks import noisetilt
from benchmarks.sampling import ways
from benchmarks.sampling.runs import Plan, Runs, injected_whiteness
from benchmarks.sampling.ways import PLAIN, REFERENCE, SEEDS, WAYS, Task, sample
from demo_world import flow
from optimization import NoiseTilt

pytestmark = pytest.mark.numerical


class Slope:
    """Latents around a half of white noise; the target likes large values, so its gradient is the same everywhere."""

    name, latent_shape, prompts = "slope", (16, 8, 8), ("a", "b")

    def __init__(self):
        self.held_out = {"held out": lambda images, prompts: images.mean((1, 2, 3))}
        self.judges = {"energy": lambda images: images.square().mean((1, 2, 3)) + 0.1}
        self.evaluations = 0

    def schedule(self, steps):
        return flow.sigmas(steps)

    def denoised(self, x, sigma, prompts):
        assert len(x) == len(prompts)
        self.evaluations += 1
        return x * (1 - sigma) / ((1 - sigma) ** 2 + sigma**2)

    def decode(self, latent):
        return latent[:, :3]

    def generate(self, noise, prompts):
        return self.decode(0.5 * noise)

    def reward(self, images, prompts):
        return images.mean((1, 2, 3)) + 0.01 * images.square().mean((1, 2, 3))

    def graph_context(self):
        return nullcontext()


@pytest.fixture
def task():
    return Task(Slope(), (3, 4))


def target(task, sampled):
    return task.reward(task.subject.decode(sampled.tensor))


def test_a_sample_does_not_hang_on_its_batch(task):
    alone = sample(Task(task.subject, (4,)))
    assert torch.allclose(sample(task).tensor[1:], alone.tensor, atol=1e-6)
    assert not torch.equal(sample(task, candidate=1).tensor, sample(task).tensor)
    assert task.prompts == ["b", "a"]


def test_plain_sampling_is_that_of_the_demo_world(task):
    """By the same noises, drawn before."""
    draw = task.draws()
    noise, fresh = draw(), [draw() for _ in range(ways.STEPS - 1)]

    class Model:
        def velocity(self, x, prompt, sigma):
            return (x - task.subject.denoised(x, sigma[0], task.prompts)) / sigma[0]

    x, levels = noise, flow.sigmas(ways.STEPS)
    for i, eps in enumerate(fresh):
        latent = flow.denoised(Model(), x, None, levels[i])
        mean, size = flow.ancestral_step(x, latent, levels[i], levels[i + 1])
        x = mean + size * eps
    expected = flow.denoised(Model(), x, None, levels[-2])
    sampled = sample(task)
    assert torch.allclose(sampled.tensor, expected, atol=1e-5)
    assert torch.equal(sampled.injected, torch.stack(fresh, 1))


def test_strength_zero_is_plain_sampling(task):
    tilt = NoiseTilt(ways.UnitScale(), 0.0)
    assert torch.equal(sample(task, tilt).tensor, sample(task).tensor)


@pytest.mark.parametrize("name", [name for name, way in WAYS.items() if len(way.settings) > 1])
def test_a_larger_setting_climbs_higher(task, name):
    def climbed(setting):
        sampled = WAYS[name].run(task, setting, 3)
        decode = task.subject.generate if sampled.few_steps else lambda latent, prompts: task.subject.decode(latent)
        return task.reward(decode(sampled.tensor, task.prompts))

    low, high = climbed(WAYS[name].settings[0]), climbed(WAYS[name].settings[-1])
    assert (high > low).all()


def test_what_is_injected(task):
    """A whole raw gradient is all of the noise; added, it leaves the fresh noise as it was. At first, where the model
    knows nothing yet, this one has no gradient."""
    raw = sample(task, NoiseTilt(ways.UnitScale(), 1.0)).injected[:, 1:]
    assert (raw[:, :, :3].mean((2, 3, 4)) > 1).all() and raw[:, :, 3:].abs().max() == 0
    plain = sample(task).injected[:, 1:]
    added = sample(task, ways.MeanShift(ways.UnitScale(), 0.25)).injected[:, 1:]
    assert torch.allclose((added - plain).square().mean((2, 3, 4)), torch.full(plain.shape[:2], 0.25))


def test_a_gradient_with_the_model_constant_points_where_the_picture_does(task):
    """Here the model scales alike everywhere, so holding it constant changes but the size of the gradient."""
    tilt = NoiseTilt(ways.UnitScale(), 0.1, start=0.05)
    whole, held = sample(task, tilt).tensor, sample(task, tilt, through_model=False).tensor
    assert torch.allclose(whole, held, atol=1e-4)


def test_the_best_of_more_is_no_worse(task):
    found = {n: target(task, ways.best_of_n(task, n)) for n in (1, 2, 5)}
    assert torch.equal(found[1], target(task, sample(task)))
    assert (found[2] >= found[1]).all() and (found[5] >= found[2]).all() and (found[5] > found[1]).any()
    each = torch.stack([target(task, sample(task, candidate=i)) for i in range(5)])
    assert torch.allclose(found[5], each.max(0).values)


def test_the_best_of_one_per_step_is_plain_sampling(task):
    assert torch.allclose(ways.best_of_n_per_step(task, 1).tensor, sample(task).tensor, atol=1e-5)
    assert (target(task, ways.best_of_n_per_step(task, 6)) > target(task, sample(task))).all()


@pytest.mark.parametrize("name", [PLAIN, SEEDS, "best-per-step"])
def test_evaluations_are_those_that_are_counted(task, name):
    WAYS[name].run(task, None, 3)
    assert task.subject.evaluations == WAYS[name].evaluations(3)


def test_counts_follow_evaluations():
    assert WAYS[SEEDS].count(ways.STEPS * 4) == 4 and WAYS[SEEDS].count(1) == 1
    assert WAYS["best-per-step"].count(24 * 3 + 1) == 3
    assert WAYS["optimizer"].count(3 * 4 * 8) == 7


def test_whiteness_of_what_was_injected():
    noise = torch.randn(2, 6, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    white = injected_whiteness(noise)
    assert (white["looks white"] > 0.7).all() and (white["step to step"].abs() < 0.1).all()
    same = injected_whiteness(noise[:, :1].expand(-1, 6, -1, -1, -1))
    assert torch.allclose(same["step to step"], torch.ones(2))
    smooth = injected_whiteness(noise + noise.roll(1, -1))
    assert (smooth["lag-1"] > 0.15).all() and (smooth["looks white"] == 0).all()


def test_a_run_is_made_once_and_no_choice_sees_the_noises_of_the_comparison(tmp_path):
    subject = Slope()
    runs = Runs(subject, subject, Plan(noises=3, tuning_noises=2, settings=2, batch=2), tmp_path)
    way = WAYS["raw"]
    row = runs.finals(way)[1]
    made = subject.evaluations
    again = Runs(subject, subject, runs.plan, tmp_path).finals(way)[1]
    assert subject.evaluations == made and (again.values["target"] == row.values["target"]).all()
    assert row.values["target"].shape == (3,) and row.setting in way.settings[-2:]
    names = [path.name for path in tmp_path.iterdir()]
    assert sum("seed100000x2" in name for name in names) == 2
    assert sum("seed20000" in name for name in names) == 2


def test_from_the_command_line_to_the_page(tmp_path, monkeypatch):
    """Everything but the demo world's networks, whose decoder takes minutes."""
    monkeypatch.setattr(noisetilt, "FlowSubject", lambda *_: Slope())
    monkeypatch.setattr(noisetilt, "QUICK", replace(noisetilt.QUICK, noises=2, batch=2))
    monkeypatch.setattr("benchmarks.comparison.findings.RESAMPLES", 20)
    page = tmp_path / "page.md"
    page.write_text(f"Before.\n\n{noisetilt.BEGIN}\n\nold\n\n{noisetilt.END}\n\nAfter.\n")
    arguments = [
        "--quick",
        "--ways",
        "plain",
        "best-of-n",
        "raw",
        "--page",
        str(page),
        "--results",
        str(tmp_path / "r"),
    ]
    noisetilt.main(arguments)
    text, numbers = page.read_text(), json.loads((tmp_path / "page_comparison.json").read_text())
    assert text.startswith("Before.") and text.endswith("After.\n") and "old" not in text
    assert "| best of n, 20 times the evaluations |" in text and f"| {WAYS[REFERENCE].label} |" in text
    assert [goal["letter"] for goal in numbers["goals"]] == ["a", "b", "c"]
    assert {path.name for path in (tmp_path / "page").iterdir()} == {"fronts.png", "results.jpg"}
    noisetilt.main(arguments)
    assert page.read_text() == text


@pytest.mark.parametrize(
    "arguments, complaint", [(["--noises", "0"], "--noises is 0"), (["--comfyui"], "--target")]
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(arguments, complaint, tmp_path):
    with pytest.raises(SystemExit, match=complaint):
        noisetilt.main([*arguments, "--page", str(tmp_path / "page.md"), "--results", str(tmp_path)])
