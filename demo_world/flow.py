"""Noise to latent in many steps: two samplers for the demo world's flow model, as ComfyUI has them."""

from functools import partial

import torch

from .generator import Generator

STEPS = 25


def sigmas(steps: int = STEPS) -> torch.Tensor:
    """(steps + 1,) from 1 to 0, evenly spaced: what ComfyUI's scheduler "simple" gives for this model."""
    return torch.linspace(1, 0, steps + 1)


def denoised(flow: Generator, x: torch.Tensor, prompt: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """The latent that the model expects behind `x` (B, 16, 8, 8) at noise level `sigma`, a scalar tensor."""
    return x - sigma * flow.velocity(x, prompt, sigma.expand(len(x)))


def euler(flow: Generator, noise: torch.Tensor, prompt: torch.Tensor, steps: int = STEPS) -> torch.Tensor:
    """White noise (B, 16, 8, 8) -> latents of that shape; `prompt`: (B,) int64."""
    x, levels = noise, sigmas(steps).to(noise)
    for now, then in zip(levels, levels[1:], strict=False):
        x = x + (then - now) * flow.velocity(x, prompt, now.expand(len(x)))
    return x


def ancestral_step(
    x: torch.Tensor, latent: torch.Tensor, now: torch.Tensor, then: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """From noise level `now` to `then`, above 0: the mean (B, 16, 8, 8) and the size of the noise that is added to it.

    ComfyUI's `sample_euler_ancestral_RF` with eta 1; `latent` is what the model expects behind `x`.
    """
    down = then * then / now
    mean = (1 - then) / (1 - down) * (down / now * x + (1 - down / now) * latent)
    return mean, (then**2 - down**2 * (1 - then) ** 2 / (1 - down) ** 2) ** 0.5


def euler_ancestral(
    flow: Generator,
    noise: torch.Tensor,
    prompt: torch.Tensor,
    generator: torch.Generator | None = None,
    steps: int = STEPS,
) -> torch.Tensor:
    """As `euler`, but each step goes further down, and back up by fresh white noise of `generator`."""
    x, levels = noise, sigmas(steps).to(noise)
    draw = partial(torch.randn, noise.shape, generator=generator, device=noise.device, dtype=noise.dtype)
    for now, then in zip(levels, levels[1:], strict=False):
        latent = denoised(flow, x, prompt, now)
        if then == 0:
            return latent
        mean, size = ancestral_step(x, latent, now, then)
        x = mean + size * draw()
    return x
