"""Whitening by order statistics once more, slow and independent: numpy and scipy, one tile after the other."""

import numpy as np
import scipy.fft
from scipy import stats

ALPHA = 1e-4
TILE, GROUP = 64, 4


def whiten(sample: np.ndarray, cell: int) -> np.ndarray:
    """Of one sample (channels, ..., rows, columns); cell: the side of a cell, in elements."""
    places = sorted(np.ndindex(sample.shape), key=lambda place: _key(place, cell))
    order = np.ravel_multi_index(np.array(places).T, sample.shape)
    axes = tuple(range(1, sample.ndim))
    x = sample / np.sqrt(np.mean(sample**2))
    coefficients = _into_intervals(scipy.fft.dctn(x, axes=axes, norm="ortho"), order)
    return _into_intervals(scipy.fft.idctn(coefficients, axes=axes, norm="ortho"), order)


def _key(place, cell):
    channel, *frames, row, column = place

    def z_order(row, column):
        return int("".join(a + b for a, b in zip(f"{row:020b}", f"{column:020b}", strict=True)), 2)

    return frames, z_order(row // cell, column // cell), channel, z_order(row % cell, column % cell)


def _into_intervals(x, order):
    result = np.empty(x.size)
    for stretch in _cut(order, TILE):
        for each, values in zip(stretch, _tiles(x.flat[stretch]), strict=True):
            result[each] = values
    return result.reshape(x.shape)


def _cut(order, length):
    """Full tiles together, what is left by itself."""
    full = len(order) // length * length
    return [part for part in (order[:full].reshape(-1, length), order[None, full:]) if part.size]


def _tiles(y):
    length = y.shape[1]
    y = clip(y, stats.norm())
    z = np.sqrt(length) * y.mean(1)
    y = y + ((_grouped(z, stats.norm()) - z) / np.sqrt(length))[:, None]
    norm = np.sqrt((y**2).sum(1))
    return y * (_grouped(norm, stats.chi(length)) / norm)[:, None]


def _grouped(numbers, distribution):
    return np.concatenate([clip(group, distribution).ravel() for group in _cut(numbers, GROUP)])


def clip(y, distribution):
    """y (tiles, length): each two-level order statistic into its interval."""
    tiles, length = y.shape
    r, j = np.arange(1, tiles + 1)[:, None], np.arange(1, length + 1)
    low, high = (
        distribution.ppf(stats.beta.ppf(stats.beta.ppf(p, r, tiles + 1 - r), j, length + 1 - j))
        for p in (ALPHA / 2, 1 - ALPHA / 2)
    )
    result = np.empty_like(y)
    places = np.argsort(y, axis=1, kind="stable")
    for column, bottom, top in zip(places.T, low.T, high.T, strict=True):
        values = y[np.arange(tiles), column]
        for rank, tile in enumerate(np.argsort(values, kind="stable")):
            result[tile, column[tile]] = min(max(values[tile], bottom[rank]), top[rank])
    return result
