"""Train the scene reader on the painter's pictures and write its asset: a few minutes on one core.

    python -m benchmarks.comparison.train_features [--work-dir DIR] [--out FILE]
"""

import argparse
import logging
from pathlib import Path

import torch

from demo_world.painter import paint
from demo_world.scene import plan
from demo_world.train.stage import Stage, draw_noise, run

from .scene_reader import ASSET, PARTS, SceneReader, scene_parameters

logger = logging.getLogger(__name__)

STAGE = Stage("scene-reader", seed=7, steps=3000, batch=64, rate=2e-3)
SPLIT_SEED, SPLIT_SIZE, HELD_BACK = 70, 9000, 1000  # of the pictures; no stage of the demo world has this seed


@torch.no_grad()
def paint_scenes(seed: int, count: int, batch: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    """`count` painter pictures (N, 3, 64, 64) uint8 and their scene parameters (N, 61)."""
    generator = torch.Generator().manual_seed(seed)
    images, parameters = [], []
    for _ in range(0, count, batch):
        scene = plan(*draw_noise(batch, generator))
        images.append((paint(scene)[0] * 255).round().to(torch.uint8))
        parameters.append(scene_parameters(scene))
    return torch.cat(images), torch.cat(parameters)


def train(stage: Stage, images: torch.Tensor, parameters: torch.Tensor, work: Path) -> SceneReader:
    """A reader trained on these pictures, calibrated on them through the half precision it is stored in."""
    torch.manual_seed(stage.seed)
    reader = SceneReader()
    reader.parameter_mean.copy_(parameters.mean(0))
    reader.parameter_scale.copy_(parameters.std(0))

    def loss(generator):
        index = torch.randint(len(images), (stage.batch,), generator=generator)
        error = (reader(images[index].float() / 255) - parameters[index]) / reader.parameter_scale
        # Every part counts alike, however many numbers it has: else the light would not be read at all.
        parts = error.square().mean(0).split(list(PARTS.values()))
        value = torch.stack([part.mean() for part in parts]).mean()
        return value, {"mse": value.item()}

    run(stage, {"reader": reader}, loss, work)
    for network in (reader.convolutions, reader.head):
        network.half().float()
    with torch.no_grad():
        reader.calibrate(torch.cat([reader.features(chunk.float() / 255) for chunk in images.split(200)]))
    return reader


@torch.no_grad()
def explained(reader: SceneReader, images: torch.Tensor, parameters: torch.Tensor) -> dict[str, float]:
    """Share of the variance of each part that is read off unseen pictures."""
    read = torch.cat([reader(chunk.float() / 255) for chunk in images.split(200)])
    missed = (read - parameters).square().mean(0) / parameters.var(0)
    return {name: 1 - part.mean().item()
            for name, part in zip(PARTS, missed.split(list(PARTS.values())), strict=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work-dir", type=Path, default=Path("demo_world_training"), help="for checkpoints")
    parser.add_argument("--out", type=Path, default=ASSET)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    options.work_dir.mkdir(parents=True, exist_ok=True)
    images, parameters = paint_scenes(SPLIT_SEED, SPLIT_SIZE + HELD_BACK)
    reader = train(STAGE, images[:SPLIT_SIZE], parameters[:SPLIT_SIZE], options.work_dir)
    for name, share in explained(reader, images[SPLIT_SIZE:], parameters[SPLIT_SIZE:]).items():
        logger.info("%s: %.3f of the variance", name, share)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    reader.save(options.out)


if __name__ == "__main__":
    main()
