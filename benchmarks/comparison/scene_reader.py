"""A network that reads the scene off a picture: features for a judge of realism, and a second held-out reward.

It was trained to tell where the sun stands, which houses are lit, how the ridges run and so on, from the
painter's pictures alone: on another task than the rewards and the demo world's own judge, and on pictures that none of
them saw. A few minutes on one core:

    python -m benchmarks.comparison.scene_reader [--work-dir DIR] [--out FILE]
"""

import logging
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from demo_world.painter import paint
from demo_world.realism import RealismJudge
from demo_world.rewards import to_picture_size
from demo_world.scene import PROMPTS, Scene, plan
from demo_world.train.stage import Stage, draw_noise, run

from ..shared import command_line

logger = logging.getLogger(__name__)

ASSET = Path(__file__).parent / "assets" / "scene_reader.safetensors"
FEATURES = 48
STAGE = Stage("scene-reader", seed=7, steps=3000, batch=64, rate=2e-3)
SPLIT_SEED, SPLIT_SIZE, HELD_BACK = 70, 9000, 1000  # of the pictures; no stage of the demo world has this seed

# What is read, in this order, and into how many numbers.
PARTS = {"prompt": 4, "sun": 2, "lit": 4, "house": 4, "cover": 20, "warmth": 1, "light": 1, "contrast": 1,
         "mountains": 8, "hills": 8, "trees": 8}


def scene_parameters(scene: Scene) -> torch.Tensor:
    """(B, 61) of B scenes: what `SceneReader` learns to read, part after part as in `PARTS`."""
    house, window = scene.houses[:, 0], scene.houses[:, 5]
    cover = torch.sigmoid(8 * (scene.clouds - 1.0))
    parts = {
        "prompt": F.one_hot(scene.prompt, len(PROMPTS)).to(house),
        "sun": scene.sun,
        "lit": torch.sigmoid(12 * house) * torch.sigmoid(12 * window),
        "house": torch.sigmoid(12 * house),
        "cover": F.avg_pool2d(cover[:, None], (2, 4)).flatten(1),
        "warmth": scene.warmth.mean((1, 2))[:, None],
        "light": scene.light.mean((1, 2))[:, None],
        "contrast": scene.contrast[:, None],
        "mountains": scene.mountains,
        "hills": scene.hills,
        "trees": torch.sigmoid(12 * (scene.trees[:, 0] - 0.25)),
    }
    return torch.cat([parts[name] for name in PARTS], 1)


class SceneReader(nn.Module):
    """images (B, 3, H, W) in [0, 1] -> scene parameters, by way of 48 features."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, 16, 4, 2, 1), nn.SiLU(), nn.Conv2d(16, 32, 4, 2, 1), nn.SiLU(),
            nn.Conv2d(32, 36, 4, 2, 1), nn.SiLU(), nn.Flatten(), nn.Linear(36 * 64, FEATURES))
        self.head = nn.Linear(FEATURES, sum(PARTS.values()))
        # Of the features of painter pictures, and of the scene parameters, which the head puts out standardised.
        self.register_buffer("feature_mean", torch.zeros(FEATURES))
        self.register_buffer("feature_covariance", torch.eye(FEATURES))
        self.register_buffer("parameter_mean", torch.zeros(sum(PARTS.values())))
        self.register_buffer("parameter_scale", torch.ones(sum(PARTS.values())))

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 48), float32."""
        return self.convolutions(to_picture_size(images) * 2 - 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 61), in the order of `PARTS`."""
        return self.head(self.features(images)) * self.parameter_scale + self.parameter_mean

    def taste(self, images: torch.Tensor) -> torch.Tensor:
        """(B,) between 0 and 10: `demo_world.taste` of the scene that is read, each of its four parts bounded."""
        read = dict(zip(PARTS, self(images).split(list(PARTS.values()), 1), strict=True))
        lit, cover = read["lit"].clamp(0, 1).mean(1), read["cover"].clamp(0, 1).mean(1)
        warm = ((read["warmth"][:, 0] + 2.5) / 5).clamp(0, 1)
        high = ((21 - read["sun"][:, 1]) / 14).clamp(0, 1)
        return 10 * (0.40 * lit + 0.30 * warm + 0.15 * high + 0.15 * (1 - cover))

    def mahalanobis(self, images: torch.Tensor) -> torch.Tensor:
        """(B,): squared Mahalanobis distance to the features of painter pictures, divided by 48; about 1 for those."""
        centred = (self.features(images) - self.feature_mean).double()
        solved = torch.linalg.solve(self.feature_covariance.double(), centred.T).T
        return ((centred * solved).sum(1) / FEATURES).float()

    def frechet_distance(self, images: torch.Tensor) -> float:
        """Frechet distance between the normal distributions of these pictures' and painter pictures' features.

        Heusel et al., "GANs Trained by a Two Time-Scale Update Rule" (arXiv 1706.08500), with this network's
        features. Biased upwards for few pictures, alike for all sets of one size.
        """
        features = self.features(images).double()
        return frechet_distance(features.mean(0), torch.cov(features.T), self.feature_mean.double(),
                                self.feature_covariance.double())

    @torch.no_grad()
    def calibrate(self, features: torch.Tensor) -> None:
        """Take `features` (N, 48) as those of painter pictures."""
        self.feature_mean.copy_(features.mean(0))
        self.feature_covariance.copy_(torch.cov(features.T.double()))

    save = RealismJudge.save  # weights in half precision, statistics as they are

    @classmethod
    def load(cls, path: Path = ASSET) -> "SceneReader":
        """The network of a file that `save` wrote, in float32, frozen."""
        if not path.exists():
            raise ValueError(f"the scene reader is missing: restore {path} from the repository, or train it with "
                             "`python -m benchmarks.comparison.scene_reader`")
        reader = cls()
        reader.load_state_dict({k: v.float() for k, v in load_file(path).items()})
        return reader.requires_grad_(False).eval()


def frechet_distance(mean: torch.Tensor, covariance: torch.Tensor, other_mean: torch.Tensor,
                     other_covariance: torch.Tensor) -> float:
    """Squared 2-Wasserstein distance between two normal distributions; means (F,), covariances (F, F), float64.

    |m - n|^2 + tr(A + B - 2 (A^(1/2) B A^(1/2))^(1/2)), with roots of symmetric matrices only.
    """
    values, vectors = torch.linalg.eigh(other_covariance)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ covariance @ root).clamp_min(0).sqrt().sum()
    return float((mean - other_mean).square().sum() + covariance.trace() + other_covariance.trace() - 2 * cross)


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
    parser = command_line("comparison.scene_reader", __doc__, json=False)
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
