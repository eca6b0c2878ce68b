"""In words: does noise look like white noise, and if not, what is wrong with it."""

import math
from dataclasses import dataclass

import numpy as np

from .noise_measures import autocorrelation, band_power, compact_power, flat_samples, neighbour_lines

_SIGMAS = 5  # a finding has to be this far from what chance gives white noise


@dataclass(frozen=True)
class _Finding:
    """`severity` counts thresholds passed, so that the worst finding can come first."""

    severity: float
    text: str


def describe_whiteness(noise: np.ndarray) -> str:
    """A verdict on each sample, one line each: "looks like white noise" or its worst flaws.

    A flaw is named only where chance would hardly produce it: five standard deviations of white noise of
    that many elements.

    Args:
        noise: real array or CPU tensor, shape (batch, ...); the last two axes are read as rows and columns of
            a picture if there are at least three, else each sample is one line of values.

    Returns:
        text; with several samples each line begins with "sample 1: ".

    Raises:
        ValueError: for a missing batch dimension, fewer than 16 elements per sample, NaN or infinite values.
    """
    samples = flat_samples(noise)
    shape = np.shape(noise)
    verdicts = [_verdict(sample.reshape(shape[1:])) for sample in samples]
    if len(verdicts) == 1:
        return verdicts[0]
    return "\n".join(f"sample {i + 1}: {verdict}" for i, verdict in enumerate(verdicts))


def _verdict(sample: np.ndarray) -> str:
    if sample.std() <= 1e-6 * np.abs(sample).max():
        return "no noise at all: every element is the same"
    findings = [*_value_findings(sample.ravel()), *_spatial_findings(sample), *_spectral_findings(sample.ravel())]
    worst = sorted((f for f in findings if f.severity > 1), key=lambda f: -f.severity)[:2]
    return "; ".join(f.text for f in worst) or "looks like white noise"


def _value_findings(values: np.ndarray) -> list[_Finding]:
    count = values.size
    length = math.sqrt(np.mean(values**2))
    mean, deviation = values.mean(), values.std()
    standard = (values - mean) / deviation
    kurtosis = np.mean(standard**4) - 3
    peak = np.abs(standard).max()
    likely_peak = math.sqrt(2 * math.log(count) + 2 * math.log(1e4))
    return [
        _Finding(abs(length - 1) * math.sqrt(2 * count) / _SIGMAS,
                 f"too {'long' if length > 1 else 'short'}: its norm is {length:.3g} times that of white noise"),
        _Finding(abs(mean) * math.sqrt(count) / _SIGMAS, f"off centre: its mean is {mean:.2g}"),
        _Finding(abs(kurtosis) / math.sqrt(24 / count) / _SIGMAS,
                 f"{'heavy' if kurtosis > 0 else 'light'} tails: excess kurtosis {kurtosis:.2g}"),
        _Finding(peak / likely_peak, f"a single extreme value, {peak:.3g} standard deviations out"),
    ]


def _spatial_findings(sample: np.ndarray) -> list[_Finding]:
    """The strongest correlation in each direction, named as the pattern it makes."""
    strongest = {}
    for name, lines in neighbour_lines(sample).items():
        correlation, chance = autocorrelation(lines)
        severity = np.abs(correlation) / chance / _SIGMAS
        distance = int(severity.argmax())
        if severity[distance] > 1:
            strongest[name] = (float(severity[distance]), distance + 1, float(correlation[distance]))
    if not strongest:
        return []
    name, (severity, distance, correlation) = max(strongest.items(), key=lambda item: item[1])
    both = min(abs(c) for _, _, c in strongest.values()) > abs(correlation) / 3 and len(strongest) == 2
    if name == "elements":
        pattern, where = ("neighbours are alike", "") if correlation > 0 else ("neighbours alternate", "")
    elif both:
        pattern, where = "blurred or coarse pattern" if correlation > 0 else "alternating pattern", f" along {name}"
    elif correlation > 0:
        pattern, where = "horizontal stripes" if name == "rows" else "vertical stripes", ""
    else:
        pattern, where = "columns alternate" if name == "rows" else "rows alternate", ""
    return [_Finding(severity, f"{pattern}: correlation {correlation:.2g} at distance {distance}{where}")]


def _spectral_findings(values: np.ndarray) -> list[_Finding]:
    power = compact_power((values - values.mean())[None])[0]
    power = power / power.mean()
    likely_peak = math.log(power.size) + math.log(1e5)
    peak = int(power.argmax())
    centres, bands, spread = band_power(power[None], 32)
    uneven = int(np.abs(np.log(np.maximum(bands, 1e-12))).argmax())
    return [
        _Finding(power[peak] / likely_peak,
                 f"one frequency dominates: {power[peak]:,.0f} times the power of white noise at "
                 f"{peak / (2 * power.size):.3g} cycles per element"),
        _Finding(abs(bands[uneven] - 1) / spread / _SIGMAS,
                 f"uneven spectrum: {bands[uneven]:.2g} times the power of white noise around "
                 f"{centres[uneven]:.2g} cycles per element"),
    ]
