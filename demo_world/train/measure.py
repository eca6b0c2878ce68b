"""What the trained world can do, measured on noises that no training has seen, and drawn on a sample sheet."""

from pathlib import Path

import torch
from PIL import Image

from .. import flow
from ..generator import Generator
from ..off_prior import CORRUPTIONS
from ..painter import paint
from ..scene import PROMPTS, plan
from ..taste import taste
from ..world import DemoWorld
from .stage import draw_noise

SEED = 90
SCALE = 2


def _mean(values: torch.Tensor) -> float:
    return values.mean().item()


def _correlation(first: torch.Tensor, second: torch.Tensor) -> float:
    return torch.corrcoef(torch.stack([first, second]))[0, 1].item()


@torch.no_grad()
def measure(world: DemoWorld, count: int = 512) -> dict[str, float]:
    """Figures of the model card, over `count` noises with uniform prompts."""
    noise, prompt = draw_noise(count, torch.Generator().manual_seed(SEED))
    names = [PROMPTS[i] for i in prompt.tolist()]
    scene = plan(noise, prompt)
    painted, generated = paint(scene)[0], world.generate(noise, names)
    corrupted = {name: world.generate(corrupt(noise), names) for name, corrupt in CORRUPTIONS.items()}
    mean_squares = (generated - painted).square().mean((1, 2, 3))
    white = _mean(world.realism_error(generated))
    figures = {
        "imitation, L1": _mean((generated - painted).abs()),
        "imitation, PSNR in dB": _mean(-10 * mean_squares.log10()),
        "realism error, painter": _mean(world.realism_error(painted)),
        "realism error, white noise": white,
    }
    for kind, pictures in corrupted.items():
        figures[f"realism error, {kind}, relative to white"] = _mean(world.realism_error(pictures)) / white
    for name, reward in (("reward", world.reward), ("held-out reward", world.held_out_reward)):
        scores = reward(generated)
        figures[f"{name}, correlation with taste, painter"] = _correlation(reward(painted), taste(scene))
        figures[f"{name}, correlation with taste, generator"] = _correlation(scores, taste(scene))
        figures[f"{name}, mean on white noise"] = _mean(scores)
        figures[f"{name}, standard deviation on white noise"] = scores.std().item()
        for kind, pictures in corrupted.items():
            figures[f"{name}, mean, {kind}"] = _mean(reward(pictures))
    return figures


@torch.no_grad()
def measure_flow(world: DemoWorld, model: Generator, count: int = 512) -> dict[str, float]:
    """Figures of the model of many steps, over the noises and prompts of `measure`."""
    noise, prompt = draw_noise(count, torch.Generator().manual_seed(SEED))
    latents = {
        "25 steps, euler": flow.euler(model, noise, prompt),
        "25 steps, euler_ancestral": flow.euler_ancestral(model, noise, prompt, torch.Generator().manual_seed(SEED)),
        "8 steps, euler": flow.euler(model, noise, prompt, 8),
        "4 steps, euler": flow.euler(model, noise, prompt, 4),
    }
    figures = {}
    for name, latent in latents.items():
        pictures = torch.cat([world.decode(part) for part in latent.split(64)])
        figures[f"{name}: realism error"] = _mean(world.realism_error(pictures))
        for kind, reward in (("reward", world.reward), ("held-out reward", world.held_out_reward)):
            scores = reward(pictures)
            figures[f"{name}: {kind}, mean"] = _mean(scores)
            figures[f"{name}: {kind}, standard deviation"] = scores.std().item()
    return figures


def _save(rows: list[torch.Tensor], path: Path) -> None:
    sheet = torch.cat([torch.cat(list(row), -1) for row in rows], 1)
    pixels = (sheet.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    picture = Image.fromarray(pixels)
    picture = picture.resize((picture.width * SCALE, picture.height * SCALE), Image.Resampling.NEAREST)
    picture.save(path, quality=90)


@torch.no_grad()
def draw_samples(world: DemoWorld, path: Path, columns: int = 8) -> None:
    """For every prompt, a row by the painter and a row by the networks from the same noises."""
    rows = []
    generator = torch.Generator().manual_seed(SEED + 1)
    for index, name in enumerate(PROMPTS):
        noise, _ = draw_noise(columns, generator)
        rows += [paint(plan(noise, torch.full((columns,), index)))[0], world.generate(noise, name)]
    _save(rows, path)


@torch.no_grad()
def draw_off_prior(world: DemoWorld, path: Path) -> None:
    """White noise, and the same noise blurred, striped and 1.3 times as large; two columns for every prompt."""
    names = [name for name in PROMPTS for _ in range(2)]
    noise, _ = draw_noise(len(names), torch.Generator().manual_seed(SEED + 2))
    noises = [noise] + [corrupt(noise) for corrupt in CORRUPTIONS.values()]
    _save([world.generate(each, names) for each in noises], path)


@torch.no_grad()
def draw_flow(world: DemoWorld, model: Generator, path: Path, columns: int = 8) -> None:
    """For every prompt, a row by `euler` and one by `euler_ancestral`, 25 steps from the same noises."""
    rows = []
    generator = torch.Generator().manual_seed(SEED + 3)
    for index in range(len(PROMPTS)):
        noise, _ = draw_noise(columns, generator)
        prompt = torch.full((columns,), index)
        latents = flow.euler(model, noise, prompt), flow.euler_ancestral(model, noise, prompt, generator)
        rows += [world.decode(latent) for latent in latents]
    _save(rows, path)
