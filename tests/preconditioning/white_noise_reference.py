"""The nearest member of the white Gaussian set by brute force: DFT matrix, plain loops, every support tried."""

import itertools
import math

import torch


def dft_matrix(length: int) -> torch.Tensor:
    """Real (N, N) isometry A with A x = sqrt(2) (Re y_0, Im y_0, Re y_1, ...), from cosines and sines."""
    n = torch.arange(length, dtype=torch.float64)
    rows = [torch.ones_like(n) / math.sqrt(length), (1 - 2 * (n % 2)) / math.sqrt(length)]
    for k in range(1, length // 2):
        angle = 2 * math.pi / length * (k * n % length)
        rows += [angle.cos() * math.sqrt(2 / length), -angle.sin() * math.sqrt(2 / length)]
    return torch.stack(rows)


def bins_of(x: torch.Tensor) -> list[list[complex]]:
    pairs = (x.flatten(1).double() @ dft_matrix(x[0].numel()).T) / math.sqrt(2)
    return [[complex(re, im) for re, im in row.view(-1, 2).tolist()] for row in pairs]


def block_bounds(bins: int, block_size: int) -> list[tuple[int, int]]:
    starts = [*range(0, bins, block_size)]
    if len(starts) > 1 and bins - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], bins], strict=True))


def nearest_magnitudes(w: list[float], supports: list[tuple[int, ...]]) -> list[float]:
    """Nearest of the best points of all `supports`: on each, the sphere-and-plane point along w, if it is >= 0."""
    length, best, best_distance = len(w), None, math.inf
    one_norm = math.sqrt(math.pi) / 2 * length
    for support in supports:
        k = len(support)
        radius_squared = length - one_norm**2 / k
        centre = sum(w[j] for j in support) / k
        spread = math.sqrt(sum((w[j] - centre) ** 2 for j in support))
        if radius_squared < 0 or spread == 0:
            continue
        a = [0.0] * length
        for j in support:
            a[j] = one_norm / k + (w[j] - centre) * math.sqrt(radius_squared) / spread
        distance = sum((p - q) ** 2 for p, q in zip(a, w, strict=True))
        if min(a) >= 0 and distance < best_distance:
            best, best_distance = a, distance
    return best


def reference_projection(x: torch.Tensor, block_size: int, all_supports: bool) -> torch.Tensor:
    projected = []
    for y in bins_of(x):
        parts = []
        for start, stop in block_bounds(len(y), block_size):
            w = [abs(value) for value in y[start:stop]]
            order = sorted(range(len(w)), key=lambda j: -w[j])
            sizes = range(1, len(w) + 1)
            if all_supports:
                supports = [s for k in sizes for s in itertools.combinations(range(len(w)), k)]
            else:
                supports = [tuple(order[:k]) for k in sizes]
            for value, a in zip(y[start:stop], nearest_magnitudes(w, supports), strict=True):
                z = value / abs(value) * a
                parts += [z.real * math.sqrt(2), z.imag * math.sqrt(2)]
        projected.append(torch.tensor(parts, dtype=torch.float64) @ dft_matrix(2 * len(y)))
    return torch.stack(projected).reshape(x.shape)
