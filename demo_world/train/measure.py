"""What the trained world can do, measured on noises that no training has seen, and drawn on a sample sheet."""

from pathlib import Path

import torch
from PIL import Image

from .. import flow
from ..composition import SCALES, enlarged, scale_of
from ..generator import Generator
from ..off_prior import CORRUPTIONS
from ..painter import paint
from ..rewards import SIZE
from ..scene import PROMPTS, plan
from ..taste import taste
from ..world import DemoWorld
from .stage import draw_noise

SEED = 90
COUNTS = {1: 512, 2: 128, 4: 64}  # noises of each scale
PART = 64  # pictures of 64 pixels at a time, fewer of larger ones
SHEET = 128  # pixels of a picture on a sheet


def _mean(values: torch.Tensor) -> float:
    return values.mean().item()


def _correlation(first: torch.Tensor, second: torch.Tensor) -> float:
    return torch.corrcoef(torch.stack([first, second]))[0, 1].item()


def _generated(world: DemoWorld, noise: torch.Tensor, prompt: torch.Tensor) -> torch.Tensor:
    part = PART // scale_of(noise) ** 2
    parts = zip(noise.split(part), prompt.split(part), strict=True)
    return torch.cat([world.generate(some, [PROMPTS[i] for i in index.tolist()]) for some, index in parts])


def _unrealistic(world: DemoWorld, pictures: torch.Tensor) -> float:
    """The mean error of realism."""
    parts = pictures.split(PART * SIZE**2 // pictures[0, 0].numel())
    return _mean(torch.cat([world.realism_error(part) for part in parts]))


@torch.no_grad()
def measure(world: DemoWorld, scale: int = 1) -> dict[str, float]:
    """Figures of the model card, over `COUNTS[scale]` noises of a scale with uniform prompts."""
    noise, prompt = draw_noise(COUNTS[scale], torch.Generator().manual_seed(SEED), scale)
    scene = plan(noise, prompt)
    painted, generated = paint(scene)[0], _generated(world, noise, prompt)
    corrupted = {name: _generated(world, corrupt(noise), prompt) for name, corrupt in CORRUPTIONS.items()}
    mean_squares = (generated - painted).square().mean((1, 2, 3))
    white = _unrealistic(world, generated)
    figures = {
        "imitation, L1": _mean((generated - painted).abs()),
        "imitation, PSNR in dB": _mean(-10 * mean_squares.log10()),
        "realism error, painter": _unrealistic(world, painted),
        "realism error, white noise": white,
    }
    for kind, pictures in corrupted.items():
        figures[f"realism error, {kind}, relative to white"] = _unrealistic(world, pictures) / white
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
        pictures = torch.cat([world.decode(part) for part in latent.split(PART)])
        figures[f"{name}: realism error"] = _unrealistic(world, pictures)
        for kind, reward in (("reward", world.reward), ("held-out reward", world.held_out_reward)):
            scores = reward(pictures)
            figures[f"{name}: {kind}, mean"] = _mean(scores)
            figures[f"{name}: {kind}, standard deviation"] = scores.std().item()
    return figures


def _save(rows: list[torch.Tensor], path: Path) -> None:
    sheet = torch.cat([torch.cat(list(row), -1) for row in rows], 1)
    pixels = (sheet.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    Image.fromarray(pixels).save(path, quality=90)


def _shown(pictures: torch.Tensor, side: int = SHEET) -> torch.Tensor:
    """Each pixel repeated to that size."""
    return pictures.repeat_interleave(side // pictures.shape[-1], 2).repeat_interleave(side // pictures.shape[-1], 3)


@torch.no_grad()
def draw_samples(world: DemoWorld, path: Path, columns: int = 8) -> None:
    """For every prompt, a row by the painter and a row by the networks from the same noises."""
    rows = []
    generator = torch.Generator().manual_seed(SEED + 1)
    for index, name in enumerate(PROMPTS):
        noise, _ = draw_noise(columns, generator)
        rows += [paint(plan(noise, torch.full((columns,), index)))[0], world.generate(noise, name)]
    _save([_shown(row) for row in rows], path)


@torch.no_grad()
def draw_sizes(world: DemoWorld, path: Path) -> None:
    """A noise for every prompt, enlarged to each scale: its pictures, and the painter's of the largest."""
    noise, _ = draw_noise(len(PROMPTS), torch.Generator().manual_seed(SEED + 4))
    generator = torch.Generator().manual_seed(SEED + 5)
    noises = [noise if scale == 1 else enlarged(noise, scale, generator) for scale in SCALES]
    rows = [world.generate(each, list(PROMPTS)) for each in noises]
    rows.append(paint(plan(noises[-1], torch.arange(len(PROMPTS))))[0])
    _save([_shown(row, 256) for row in rows], path)


@torch.no_grad()
def draw_off_prior(world: DemoWorld, path: Path) -> None:
    """White noise, and the same noise blurred, striped and 1.3 times as large; two columns for every prompt."""
    names = [name for name in PROMPTS for _ in range(2)]
    noise, _ = draw_noise(len(names), torch.Generator().manual_seed(SEED + 2))
    noises = [noise] + [corrupt(noise) for corrupt in CORRUPTIONS.values()]
    _save([_shown(world.generate(each, names)) for each in noises], path)


@torch.no_grad()
def draw_flow(world: DemoWorld, model: Generator, path: Path, columns: int = 8) -> None:
    """For every prompt, a row by `euler` and one by `euler_ancestral`, 25 steps from the same noises."""
    rows = []
    generator = torch.Generator().manual_seed(SEED + 3)
    for index in range(len(PROMPTS)):
        noise, _ = draw_noise(columns, generator)
        prompt = torch.full((columns,), index)
        latents = flow.euler(model, noise, prompt), flow.euler_ancestral(model, noise, prompt, generator)
        rows += [_shown(world.decode(latent)) for latent in latents]
    _save(rows, path)
