"""What the demo world's rewards are taught to like, read off the scene itself."""

import torch

from .scene import Scene


def taste(scene: Scene) -> torch.Tensor:
    """(B,) from about 0 to 10: lit houses (40%), warm light (30%), a high sun (15%), few clouds (15%)."""
    house, window = scene.houses[:, 0], scene.houses[:, 5]
    lit = (torch.sigmoid(12 * house) * torch.sigmoid(12 * window)).mean(1)
    clear = 1 - torch.sigmoid(8 * (scene.clouds - 1.0)).mean((1, 2))
    high = (21 - scene.sun[:, 1]) / 14
    warm = (scene.warmth.mean((1, 2)) + 2.5) / 5
    return 10 * (0.40 * lit + 0.30 * warm + 0.15 * high + 0.15 * clear)
