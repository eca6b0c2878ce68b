"""A network that reads the scene off a picture: features for a judge of realism, and a second held-out reward.

It was trained to tell where the sun stands, which houses are lit, how the ridges run and so on, from the
painter's pictures alone (`train_features.py`): on another task than the rewards and the demo world's own judge,
and on pictures that none of them saw.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from demo_world.rewards import to_picture_size
from demo_world.scene import PROMPTS, Scene

ASSET = Path(__file__).parent / "assets" / "scene_reader.safetensors"
FEATURES = 48

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

    def save(self, path: Path) -> None:
        """Weights in half precision, statistics as they are."""
        statistics = dict(self.named_buffers())
        tensors = {k: v if k in statistics else v.half() for k, v in self.state_dict().items()}
        save_file({k: v.contiguous() for k, v in tensors.items()}, path)

    @classmethod
    def load(cls, path: Path = ASSET) -> "SceneReader":
        """The network of a file that `save` wrote, in float32, frozen."""
        if not path.exists():
            raise ValueError(f"the scene reader is missing: restore {path} from the repository, or train it with "
                             "`python -m benchmarks.comparison.train_features`")
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
