"""The stages in which generator and decoder, which know pictures of 64 pixels, learn those of 128 and 256 as well."""

from pathlib import Path

import torch

from ..composition import SCALES
from ..decoder import Decoder
from ..generator import Generator
from ..layout import to_latent
from ..painter import paint
from ..scene import CELL, plan
from .imitation import DETAIL_WEIGHT, POLISH_DETAIL_WEIGHT, POLISH_SQUARE_WEIGHT, decode, latent_loss, picture_loss
from .stage import Stage, draw_noise, run

WINDOWS = {1: 1, 2: 1, 4: 3}  # cut from each picture of a scale, in a step of the decoder
WINDOW = 12  # latent pixels along a window
# Of them those at a cut that do not count. A cut changes what a half-trained decoder makes of the first latent pixel
# beside it by 0.05 on average, of the second by 0.013, the third 0.005; the decoder's own error is 0.05.
MARGIN = 1


def train_generator_sizes(stage: Stage, network: Generator, work: Path) -> None:
    """The generator: noise of all sizes to scene latents, each size counting alike."""

    def loss(generator):
        values, figures = [], {}
        for scale in SCALES:
            with torch.no_grad():
                noise, prompt = draw_noise(stage.batch[scale], generator, scale)
                latent = to_latent(plan(noise, prompt))
            with torch.autocast("cpu", torch.bfloat16):
                made = network(noise, prompt)
            value, figures[f"mse {64 * scale}"] = latent_loss(made.float(), latent)
            values.append(value)
        return torch.stack(values).mean(), figures

    run(stage, {"generator": network}, loss, work)


def window(
    latent: torch.Tensor, target: torch.Tensor, detail: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """One window of latents (B, 16, 8k, 8k), of their pictures (B, 3, 64k, 64k) and maps of detail (B, 64k, 64k).

    Returns:
        The latents and pictures in the window, a map (B, h, w) of which of its pixels count, and the detail. Those of
        `MARGIN` latent pixels at a cut do not; at the edge of the picture the network sees what it will always see.
    """
    side = latent.shape[-1]
    if side <= WINDOW:
        return latent, target, torch.ones_like(detail), detail
    top, left = torch.randint(side - WINDOW + 1, (2,), generator=generator).tolist()
    kept = torch.zeros_like(detail[:, : WINDOW * CELL, : WINDOW * CELL])
    edges = []
    for first in (top, left):
        start = MARGIN if first else 0
        stop = WINDOW - (MARGIN if first + WINDOW < side else 0)
        edges.append(slice(start * CELL, stop * CELL))
    kept[:, edges[0], edges[1]] = 1
    rows, columns = slice(top, top + WINDOW), slice(left, left + WINDOW)
    pixels = (..., slice(top * CELL, (top + WINDOW) * CELL), slice(left * CELL, (left + WINDOW) * CELL))
    return latent[..., rows, columns], target[pixels], kept, detail[pixels]


def train_decoder_sizes(stage: Stage, decoder: Decoder, work: Path, small_things: bool = False) -> None:
    """The decoder: exact scene latents of all sizes to pictures, the larger ones in windows.

    small_things: whether these count for as much as when the decoder of one size was polished.
    """
    weights = (POLISH_DETAIL_WEIGHT, POLISH_SQUARE_WEIGHT) if small_things else (DETAIL_WEIGHT, 0.0)

    def loss(generator):
        values, figures = [], {}
        for scale in SCALES:
            with torch.no_grad():
                noise, prompt = draw_noise(stage.batch[scale], generator, scale)
                scene = plan(noise, prompt)
                latent, painted = to_latent(scene), paint(scene)
                cut = [window(latent, *painted, generator) for _ in range(WINDOWS[scale])]
                latent, target, kept, detail = (torch.cat(parts) for parts in zip(*cut, strict=True))
            picture = decode(decoder, latent)
            picture = target + kept[:, None] * (picture - target)
            values.append(picture_loss(picture, target, detail, *weights) * kept.numel() / kept.sum())
            figures[f"l1 {64 * scale}"] = ((picture - target).abs().mean() * kept.numel() / kept.sum()).item()
        return torch.stack(values).mean(), figures

    run(stage, {"decoder": decoder}, loss, work)
