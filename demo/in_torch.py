"""The demo on the demo world alone: the pack's mathematics without ComfyUI."""

from functools import partial

import torch
from tqdm import tqdm

from demo_world import DemoWorld
from optimization import Step, Stopping, ascend
from preconditioning import RECIPES

from .run import START, WITH, WITHOUT, Run

STEP_RULE = "falling momentum"  # as in workflows/demo.json


def run_in_torch(world: DemoWorld, batch: int, size: int, steps: int, step_size: float, seed: int) -> list[Run]:
    """Optimize the same noises without and with the projector; start, without, with. size: in pixels."""
    shape = (batch, world.latent_shape[0], size // 8, size // 8)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    scenes = [world.prompts[i % len(world.prompts)] for i in range(batch)]
    generate = partial(world.generate, prompt=scenes)
    with torch.no_grad():
        pictures = generate(noise)
        runs = [Run.judged(START, world, pictures, noise, world.reward(pictures)[None], 0.0)]
    for name, recipe in ((WITHOUT, RECIPES["none"]), (WITH, RECIPES["GPER"])):
        with tqdm(total=steps, desc=f"{name:18}", unit="step") as bar:

            def show(step: Step, bar: tqdm = bar) -> None:
                bar.n = step.index
                bar.set_postfix(reward=f"{step.record.best_reward.mean():.3f}")

            record = ascend(
                noise,
                generate,
                world.reward,
                **recipe.stepping(STEP_RULE).arguments(step_size),
                stopping=Stopping(steps=steps),
                callback=show,
            )
        with torch.no_grad():
            pictures = generate(record.best_noise)
        history, seconds = record.reward_history(), sum(record.seconds)
        runs.append(Run.judged(name, world, pictures, record.best_noise, history, seconds))
    return runs
