"""Training of the rewards and of the judge of realism, each on its own split of painter pictures."""

from dataclasses import dataclass
from pathlib import Path

import torch

from ..decoder import Decoder
from ..layout import to_latent
from ..painter import paint
from ..realism import RealismJudge
from ..realism_detail import DetailJudge
from ..rewards import SIZE, ConvolutionalTaste, PatchTaste, Reward
from ..scene import plan
from ..taste import taste
from .broken import break_pictures, decode_perturbed
from .stage import Stage, draw_noise, run

PAINT_BATCH = 50


@dataclass(frozen=True)
class Split:
    """Painter pictures with their scores: images (N, 3, 64, 64) uint8, scores and brokenness (N,)."""

    images: torch.Tensor
    scores: torch.Tensor
    broken: torch.Tensor

    def draw(self, batch: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        index = torch.randint(len(self.images), (batch,), generator=generator)
        return self.images[index].float() / 255, self.scores[index], self.broken[index]


@torch.no_grad()
def paint_split(seed: int, count: int, perturbed: Decoder | None = None) -> Split:
    """Paint `count` pictures; with a decoder, as many perturbed ones again."""
    generator = torch.Generator().manual_seed(seed)
    images, scores, broken = [], [], []
    for _ in range(0, count, PAINT_BATCH):
        noise, prompt = draw_noise(PAINT_BATCH, generator)
        scene = plan(noise, prompt)
        batches = [(paint(scene)[0], torch.zeros(PAINT_BATCH))]
        if perturbed is not None:
            batches.append(decode_perturbed(perturbed, to_latent(scene), generator))
        for batch, amount in batches:
            images.append((batch * 255).round().to(torch.uint8))
            scores.append(taste(scene))
            broken.append(amount)
    return Split(torch.cat(images), torch.cat(scores), torch.cat(broken))


@torch.no_grad()
def paint_large(seed: int, count: int, scale: int, batch: int = 10) -> torch.Tensor:
    """(count, 3, 64k, 64k) uint8: painter pictures of that scale."""
    generator = torch.Generator().manual_seed(seed + scale)
    drawn = (plan(*draw_noise(batch, generator, scale)) for _ in range(0, count, batch))
    return torch.cat([(paint(scene)[0] * 255).round().to(torch.uint8) for scene in drawn])


def train_realism_detail(stage: Stage, judge: DetailJudge, pictures: list[torch.Tensor], work: Path) -> None:
    """The judge of detail: restore windows of 64 pixels from pixel noise, a half of them of each size."""

    def windows(images: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
        places = torch.randint(images.shape[-1] - SIZE + 1, (count, 2), generator=generator).tolist()
        chosen = torch.randint(len(images), (count,), generator=generator).tolist()
        return torch.stack([images[i, :, y : y + SIZE, x : x + SIZE] for i, (y, x) in zip(chosen, places, strict=True)])

    def loss(generator):
        images = torch.cat([windows(size, stage.batch // 2, generator) for size in pictures]).float() / 255
        return _restoration_loss(judge, images, generator)

    run(stage, {"realism_detail": judge}, loss, work)
    judge.half().float()
    with torch.no_grad():
        for images in pictures:
            features = [judge.features(part.float() / 255) for part in images.split(10)]
            judge.calibrate(torch.cat(features), images.shape[-1])


def _restoration_loss(judge: RealismJudge | DetailJudge, images: torch.Tensor, generator: torch.Generator):
    """From pixel noise of a standard deviation up to 0.1."""
    strength = 0.1 * torch.rand(len(images), 1, 1, 1, generator=generator)
    noisy = images + strength * torch.randn(images.shape, generator=generator)
    error = judge.restore(noisy) - images
    return error.abs().mean() + 10 * error.square().mean(), {"mse": error.square().mean().item()}


def _score_loss(reward: Reward, images: torch.Tensor, scores: torch.Tensor):
    error = reward(images) - scores
    return error.square().mean(), {"mse": error.square().mean().item()}


def train_reward(stage: Stage, reward: ConvolutionalTaste, split: Split, work: Path) -> None:
    """The target: the taste of painter pictures, nothing else."""

    def loss(generator):
        images, scores, _ = split.draw(stage.batch, generator)
        return _score_loss(reward, images, scores)

    run(stage, {"reward": reward}, loss, work)


def train_held_out_reward(stage: Stage, reward: PatchTaste, split: Split, work: Path) -> None:
    """The held-out reward: the taste, times how whole the picture still is."""

    def loss(generator):
        images, scores, broken = split.draw(stage.batch, generator)
        third = stage.batch // 3
        changed, amount = break_pictures(images[:third], generator)
        images = torch.cat([changed, images[third:]])
        broken = torch.cat([broken[:third].maximum(amount), broken[third:]])
        return _score_loss(reward, images, scores * (1 - broken))

    run(stage, {"held_out_reward": reward}, loss, work)


def train_realism(stage: Stage, judge: RealismJudge, split: Split, work: Path) -> None:
    """The judge: restore painter pictures from pixel noise."""

    def loss(generator):
        images, _, _ = split.draw(stage.batch, generator)
        return _restoration_loss(judge, images, generator)

    run(stage, {"realism": judge}, loss, work)
    # Through half precision first: the statistics are then those of the weights as stored.
    judge.half().float()
    with torch.no_grad():
        judge.calibrate(torch.cat([judge.features(images.float() / 255) for images in split.images.split(200)]))
