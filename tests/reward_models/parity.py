"""Comparing a reward with an independent implementation of the published one: scores and pixel gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

SIZES = [(42, 42), (64, 96), (101, 70), (30, 37)]
PROMPTS = ["a red house, by the sea", "birds"]


def pictures(batch: int = 2, height: int = 64, width: int = 64, seed: int = 0) -> Tensor:
    """Smooth random pictures in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, 3, 8, 8, generator=generator)
    return F.interpolate(coarse, (height, width), mode="bilinear").clamp(0, 1)


def score_and_gradient(reward: Callable[..., Tensor], images: Tensor, *prompts) -> tuple[Tensor, Tensor]:
    """(B,) scores and the gradient of their sum, shaped like the images."""
    images = images.clone().requires_grad_()
    scores = reward(images, *prompts)
    (gradient,) = torch.autograd.grad(scores.sum(), images)
    return scores.detach(), gradient


def assert_parity(reward, reference, images: Tensor, *prompts) -> None:
    """Scores equal to 1e-4 relative, gradients to a cosine of 0.9999 and 1e-3 of their norm, per image."""
    scores, gradient = score_and_gradient(reward, images, *prompts)
    expected, expected_gradient = score_and_gradient(reference, images, *prompts)
    assert scores.shape == (len(images),)
    assert scores.tolist() == pytest.approx(expected.tolist(), rel=1e-4)
    gradient, expected_gradient = gradient.flatten(1), expected_gradient.flatten(1)
    assert (expected_gradient.norm(dim=1) > 0).all()
    assert F.cosine_similarity(gradient, expected_gradient).min() >= 0.9999
    assert gradient.norm(dim=1).tolist() == pytest.approx(expected_gradient.norm(dim=1).tolist(), rel=1e-3)


def torchvision_like_crop(images: Tensor, size: int) -> Tensor:
    """Resize(size) and CenterCrop(size) of torchvision, on tensors, antialiased bicubic."""
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms import functional as tv

    resized = tv.resize(images, size, InterpolationMode.BICUBIC, antialias=True)
    return tv.center_crop(resized, [size, size])


def clip_normalised(images: Tensor) -> Tensor:
    """CLIP's mean and standard deviation."""
    from torchvision.transforms import functional as tv

    return tv.normalize(images, (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


def processor_like_crop(images: Tensor, size: int) -> Tensor:
    """CLIPImageProcessor's sizes and crop, on tensors."""
    height, width = images.shape[-2:]
    short, long = sorted((height, width))
    scaled = int(size * long / short)
    target = (size, scaled) if height <= width else (scaled, size)
    images = F.interpolate(images, target, mode="bicubic", antialias=True)
    top, left = (target[0] - size) // 2, (target[1] - size) // 2
    return images[..., top : top + size, left : left + size]


def head_layers(weights: dict[str, Tensor], prefix: str) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of the layers named `{prefix}{index}`, by rising index."""
    indices = sorted({int(name.removeprefix(prefix).split(".")[0]) for name in weights if name.startswith(prefix)})
    return [(weights[f"{prefix}{index}.weight"], weights[f"{prefix}{index}.bias"]) for index in indices]


def eval_head(weights: dict[str, Tensor], prefix: str, x: Tensor) -> Tensor:
    """Apply the five linear layers one after the other. (B, D) to (B,)."""
    for weight, bias in head_layers(weights, prefix):
        x = F.linear(x, weight, bias)
    return x[:, 0]
