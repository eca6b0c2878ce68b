"""Numbers behind the pictures of noise, in numpy: spectrum, bands, blocks and correlation."""

import math

import numpy as np

_FARTHEST = 16  # neighbours up to this distance are compared


def flat_samples(noise: np.ndarray) -> np.ndarray:
    """`noise` (batch, ...) as float64 rows, checked.

    Raises:
        ValueError: for a missing batch dimension, fewer than 16 elements per sample, NaN or infinite values.
    """
    values = np.asarray(noise, dtype=np.float64)
    if values.ndim < 2 or values.shape[0] == 0 or values[0].size < 16:
        raise ValueError(
            f"noise must have shape (batch, ...) with at least one sample of at least 16 elements, got {values.shape}"
        )
    if not np.isfinite(values).all():
        raise ValueError("the noise holds NaN or infinite values and cannot be described")
    return values.reshape(values.shape[0], -1)


def compact_power(flat: np.ndarray) -> np.ndarray:
    """|y|^2 of the compact spectrum of each row (batch, N): (batch, N // 2), of mean 1 for white noise.

    The two real bins 0 and N/2 of the orthonormal real FFT count as one. An odd N has no bin at N/2.
    """
    power = np.abs(np.fft.rfft(flat, norm="ortho")) ** 2
    if flat.shape[1] % 2 == 0:
        power[:, 0] = (power[:, 0] + power[:, -1]) / 2
    return power[:, : flat.shape[1] // 2]


def band_power(power: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean power in up to `most` equal bands: centres in cycles per element, means, their deviation by chance."""
    bins = power.shape[1]
    width = -(-bins // most)
    starts = np.arange(0, bins, width)
    sums = np.add.reduceat(power.mean(0), starts)
    counts = np.diff([*starts, bins])
    centres = (starts + counts / 2) / (2 * bins)
    return centres, sums / counts, 1 / math.sqrt(counts.min() * power.shape[0])


def block_norm_ratios(power: np.ndarray, block_size: int) -> tuple[np.ndarray, np.ndarray]:
    """||y_b||_1 and ||y_b||_2^2 of every full block over their values for white noise, (sqrt(pi)/2) B and B."""
    full = power[:, : power.shape[1] // block_size * block_size].reshape(-1, block_size)
    return np.sqrt(full).mean(1) / (math.sqrt(math.pi) / 2), full.mean(1)


def neighbour_lines(sample: np.ndarray) -> dict[str, np.ndarray]:
    """`sample` (...) with neighbours on its last axis, once for each direction, by the direction's name.

    The last two of three axes or more are the rows and columns of a picture; anything else is one line.
    """
    picture = {"rows": sample, "columns": np.swapaxes(sample, -1, -2)} if sample.ndim >= 3 else {}
    directions = {name: lines for name, lines in picture.items() if lines.shape[-1] > 1}
    return directions or {"elements": sample.reshape(-1)}


def autocorrelation(lines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlation of values 1, 2, ... apart on the last axis, up to 16 or half its length.

    Returns:
        the correlations, and for each the standard deviation it has by chance in white noise, one over the
        square root of the number of pairs. Values without any spread have correlation 0.
    """
    centred = lines - lines.mean()
    variance = np.mean(centred**2) or 1.0
    pairs = [(centred[..., d:], centred[..., :-d]) for d in range(1, min(_FARTHEST, lines.shape[-1] // 2) + 1)]
    return (
        np.array([np.mean(a * b) / variance for a, b in pairs]),
        np.array([1 / math.sqrt(a.size) for a, _ in pairs]),
    )
