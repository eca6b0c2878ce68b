"""A small map from noise to pictures, a reward to climb on it, and preconditioners that do next to nothing."""

import torch


class Free:
    def precondition(self, gradient, noise):
        return gradient

    def retract(self, noise):
        return noise


class UnitSphere(Free):
    def retract(self, noise):
        flat = noise.flatten(1)
        return (flat / flat.norm(dim=1, keepdim=True)).view_as(noise)


def as_picture(noise):
    """(B, 3, 4, 4) noise to pictures in [0, 1]."""
    return torch.sigmoid(noise)


def brightness(images):
    return images.mean((1, 2, 3))


def start_noise(batch=2, seed=0):
    return torch.randn(batch, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
