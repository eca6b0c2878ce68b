import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from demo_world.train import stage as stage_module
from demo_world.train.broken import BREAKS, break_pictures
from demo_world.train.imitation import picture_loss
from demo_world.train.optimizer import Optimizer
from demo_world.train.stage import Stage, draw_noise, run

ROOT = Path(__file__).parents[2]


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(16, 24, 3, padding=1), nn.ReLU(), nn.Conv2d(24, 16, 1))


def train(steps, work):
    model = network()
    seen = []

    def loss(generator):
        noise, _ = draw_noise(2, generator)
        seen.append(noise)
        return (model(noise) - noise.flip(3)).square().mean(), {}

    run(Stage("tiny", seed=7, steps=steps, batch=2, rate=1e-2), {"model": model}, loss, work)
    return model, seen


def test_a_stopped_stage_goes_on_as_if_it_had_not_stopped(tmp_path, monkeypatch):
    unbroken, stopped = tmp_path / "unbroken", tmp_path / "stopped"
    unbroken.mkdir()
    stopped.mkdir()
    whole, _ = train(6, unbroken)
    monkeypatch.setattr(stage_module, "SAVE_EVERY", 2)
    save = torch.save

    def save_and_stop(state, path):
        save(state, path)
        if state["step"] == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        train(6, stopped)
    monkeypatch.setattr(torch, "save", save)
    resumed, seen = train(6, stopped)
    assert len(seen) == 2
    for expected, got in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(got, expected)
    again, seen = train(6, stopped)
    assert not seen
    torch.testing.assert_close(again[0].weight, whole[0].weight)


def test_an_average_of_the_weights_is_kept_and_goes_on(tmp_path):
    """Against the average by hand, and after a stop between the steps."""

    def averaged(steps):
        model = network()
        average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.5))
        weights = []

        def loss(generator):
            weights.append(model[0].weight.detach().clone())
            noise, _ = draw_noise(2, generator)
            return (model(noise) - noise.flip(3)).square().mean(), {}

        run(Stage("tiny", 7, steps, 2, 1e-2), {"model": model}, loss, tmp_path, {"model": average})
        return [*weights[1:], model[0].weight.detach()], average.module[0].weight

    weights, average = averaged(3)
    torch.testing.assert_close(average, 0.5 * (0.5 * weights[0] + 0.5 * weights[1]) + 0.5 * weights[2])
    later, again = averaged(4)
    assert len(later) == 1
    torch.testing.assert_close(again, 0.5 * average + 0.5 * later[0])


def test_optimizer_trains_matrices_kernels_and_biases():
    model = network()
    before = [p.clone() for p in model.parameters()]
    optimizer = Optimizer([model], steps=10, rate=1e-2, warmup=1)
    assert len(optimizer.views) == 2
    noise = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    losses = []
    for index in range(10):
        loss = model(noise).square().mean()
        losses.append(loss.item())
        optimizer.step(index, loss)
    assert losses[-1] < 0.7 * losses[0]
    assert all((p != b).any() for p, b in zip(model.parameters(), before, strict=True))


def test_picture_loss_is_the_sum_it_says():
    generator = torch.Generator().manual_seed(0)
    picture, target = torch.rand(2, 2, 3, 5, 4, generator=generator)
    detail = torch.rand(2, 5, 4, generator=generator)
    points, across, down = [], [], []
    for b in range(2):
        for c in range(3):
            for y in range(5):
                for x in range(4):
                    weight = 1 + 2 * detail[b, y, x]
                    error = picture[b, c, y, x] - target[b, c, y, x]
                    points.append(weight * (error.abs() + 4 * error**2))
                    if x:
                        across.append(weight * (error - picture[b, c, y, x - 1] + target[b, c, y, x - 1]).abs())
                    if y:
                        down.append(weight * (error - picture[b, c, y - 1, x] + target[b, c, y - 1, x]).abs())
    expected = sum(points) / len(points) + 0.5 * (sum(across) / len(across) + sum(down) / len(down))
    torch.testing.assert_close(picture_loss(picture, target, detail, 2.0, 4.0), expected)


@pytest.mark.parametrize("seed", range(len(BREAKS)))
def test_broken_pictures_are_as_broken_as_they_say(seed):
    images = torch.rand(16, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    broken, amount = break_pictures(images, torch.Generator().manual_seed(seed))
    assert broken.shape == images.shape and broken.min() >= 0 and broken.max() <= 1
    distance = (broken - images).abs().mean((1, 2, 3))
    assert torch.corrcoef(torch.stack([distance, amount]))[0, 1] > 0.8


def test_rewards_and_judge_do_not_need_diffusers():
    """ComfyUI installs need not have it."""
    code = (
        "import sys, demo_world; demo_world.load_reward(); demo_world.load_held_out_reward();"
        "demo_world.load_realism(); demo_world.conditions(); sys.exit('diffusers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
