"""The three stages in which the networks learn to imitate the painter."""

from pathlib import Path

import torch
import torch.nn.functional as F

from ..decoder import Decoder
from ..generator import Generator
from ..painter import paint
from .stage import Stage, run, scenes

EDGE_WEIGHT = 0.5  # of errors in differences between neighbouring pixels
# Of a pixel of a small thing, on top of 1: first the whole picture, then the stars.
DETAIL_WEIGHT, POLISH_DETAIL_WEIGHT = 3.0, 8.0
POLISH_SQUARE_WEIGHT = 4.0  # of squared errors: absolute ones alone leave out what is small and uncertain


def picture_loss(
    picture: torch.Tensor,
    target: torch.Tensor,
    detail: torch.Tensor,
    detail_weight: float = DETAIL_WEIGHT,
    square_weight: float = 0.0,
) -> torch.Tensor:
    """Weighted L1 between pictures (B, 3, H, W) and between their finite differences, and squared errors."""
    weight = 1 + detail_weight * detail[:, None]
    error = picture - target
    across, down = error[..., 1:] - error[..., :-1], error[..., 1:, :] - error[..., :-1, :]
    edges = (across.abs() * weight[..., 1:]).mean() + (down.abs() * weight[..., 1:, :]).mean()
    return ((error.abs() + square_weight * error.square()) * weight).mean() + EDGE_WEIGHT * edges


def decode(decoder: Decoder, latent: torch.Tensor) -> torch.Tensor:
    """Pictures of latents, in bfloat16 where that is enough."""
    with torch.autocast("cpu", torch.bfloat16):
        return decoder(latent.contiguous(memory_format=torch.channels_last)).float()


def latent_loss(made: torch.Tensor, latent: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Of latents, as far as the decoder's clamp lets them through; and the mean squared error alone."""
    error = 3 * torch.tanh(made / 3) - 3 * torch.tanh(latent / 3)
    return F.smooth_l1_loss(error, torch.zeros_like(error), beta=0.1), error.square().mean().item()


def train_decoder(stage: Stage, decoder: Decoder, work: Path) -> None:
    """The decoder alone: exact scene latents to pictures."""

    def loss(generator):
        with torch.no_grad():
            _, _, scene, latent = scenes(stage, generator)
            target, detail = paint(scene)
        picture = decode(decoder, latent)
        return picture_loss(picture, target, detail), {"l1": (picture - target).abs().mean().item()}

    run(stage, {"decoder": decoder}, loss, work)


def train_generator(stage: Stage, generator_network: Generator, work: Path) -> None:
    """The generator alone: noise to scene latents."""

    def loss(generator):
        with torch.no_grad():
            noise, prompt, _, latent = scenes(stage, generator)
        value, squared = latent_loss(generator_network(noise, prompt), latent)
        return value, {"mse": squared}

    run(stage, {"generator": generator_network}, loss, work)


def polish_decoder(stage: Stage, generator_network: Generator, decoder: Decoder, work: Path) -> None:
    """The decoder again, on the latents that the trained generator makes of noise."""

    def loss(generator):
        with torch.no_grad():
            noise, prompt, scene, _ = scenes(stage, generator)
            target, detail = paint(scene)
            latent = generator_network(noise, prompt)
        picture = decode(decoder, latent)
        value = picture_loss(picture, target, detail, POLISH_DETAIL_WEIGHT, POLISH_SQUARE_WEIGHT)
        return value, {"l1": (picture - target).abs().mean().item()}

    run(stage, {"decoder": decoder}, loss, work)
