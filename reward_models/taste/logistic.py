"""Logistic regression with a normal prior on few examples of long vectors, several weightings at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# Standard deviation of the logit of an ordinary example before anything is learned. With far fewer examples than
# dimensions the direction hardly depends on it, so it is fixed and needs no pictures to choose it by.
PRIOR = 2.0
_MOST_STEPS, _CLOSE, _LONGEST = 50, 1e-8, 4.0  # Newton steps; change of a logit that ends them; largest of one step


def fit_logistic(examples: Tensor, liked: Tensor, weightings: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """The most probable w, b of P(liked) = sigmoid(w . (e - centre) + b), for each weighting of the examples.

    The prior of w is normal and the same in all directions, with the examples scaled to mean square distance 1 from
    their mean; so nothing depends on the scale of the embeddings. With few examples, w tends to the difference of the
    two classes' means.

    Args:
        examples: (N, D).
        liked: (N,) bool.
        weightings: (N,) each, how often each example counts, 0 or more.

    Returns:
        centre (D,), w (K, D), b (K,), float32.
    """
    examples = examples.double()
    centre = examples.mean(dim=0)
    centred = examples - centre
    scale = centred.square().sum(dim=1).mean().sqrt().clamp_min(1e-12)
    # The best w lies in the span of the examples: as many numbers as examples are enough.
    coordinates, sizes, directions = torch.linalg.svd(centred / scale, full_matrices=False)
    features = torch.cat([coordinates * sizes, torch.ones(len(examples), 1, dtype=torch.float64)], dim=1)
    fitted = torch.stack([_newton(features, liked.double(), weights.double()) for weights in weightings])
    return centre.float(), (fitted[:, :-1] @ directions / scale).float(), fitted[:, -1].float()


def _newton(features: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    precision = torch.full((features.shape[1],), PRIOR**-2, dtype=torch.float64)
    solution = torch.zeros_like(precision)
    for _ in range(_MOST_STEPS):
        probability = torch.sigmoid(features @ solution)
        gradient = features.T @ (weights * (probability - target)) + precision * solution
        curvature = (features * (weights * probability * (1 - probability))[:, None]).T @ features
        step = torch.linalg.solve(curvature + precision.diag(), gradient)
        longest = float((features @ step).abs().max())
        solution = solution - step * min(1.0, _LONGEST / max(longest, 1e-12))
        if longest < _CLOSE:
            break
    return solution
