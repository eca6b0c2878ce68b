"""Tests of white noise: each compares a number with what chance gives white noise, and says what is wrong."""

import math

import torch
from scipy import stats

from .spectrum import compact_spectrum
from .whiteness_chance import Finding, deviations_allowed, farthest, level

_AREA = 8  # rows and columns of an area whose loudness is looked at
_FEWEST = 64  # elements for which the approximations of skewness and kurtosis hold that far out
# The most frequent value of N(0, 1) in bfloat16, the coarsest format of noise, and far more zeros than any has.
_SHARE_OF_A_VALUE, _SHARE_OF_ZERO = 2e-3, 1e-6


def value_findings(values: torch.Tensor) -> list[Finding]:
    """Of all values (N,) of a sample: their size, centre and distribution."""
    count, allowed = values.numel(), deviations_allowed(1)
    length = float(values.square().mean().sqrt())
    mean = float(values.mean())
    peak = float(_standard(values).abs().max())
    return [
        Finding(
            "length",
            abs(length - 1) * math.sqrt(2 * count) / allowed,
            f"too {'long' if length > 1 else 'short'}: its norm is {length:.3g} times that of white noise",
        ),
        Finding("centre", abs(mean) * math.sqrt(count) / allowed, f"off centre: its mean is {mean:.2g}"),
        Finding(
            "peak", peak / deviations_allowed(count), f"a single extreme value, {peak:.3g} standard deviations out"
        ),
        *_shape_findings(values[None], ""),
        *_grid_findings(values),
    ]


def channel_findings(channels: torch.Tensor, name: str) -> list[Finding]:
    """Of each channel (channels, n) alone: loudness, centre and distribution, beside the whole sample's."""
    count, size = channels.shape
    if count < 2:
        return []
    allowed = deviations_allowed(count)
    unit = channels / channels.square().mean().sqrt()
    loudness, means = unit.square().mean(1), unit.mean(1)
    loud, off = (int(z.abs().argmax()) for z in (_chi_square_deviations(loudness, size), means))
    silent = "holds nothing but 0" if loudness[loud] == 0 else f"has {loudness[loud]:.2g} times the power of the whole"
    findings = [
        Finding(
            "loudness",
            float(_chi_square_deviations(loudness, size).abs().max()) / allowed,
            f"{name} {loud + 1} {silent}",
        ),
        Finding(
            "centre",
            float(means[off].abs()) * math.sqrt(size) / allowed,
            f"{name} {off + 1} is off centre: its mean is {means[off]:.2g}",
        ),
    ]
    heard = channels[loudness > 0]
    return findings + _shape_findings(heard, f" in one {name}")


def area_findings(planes: torch.Tensor, name: str) -> list[Finding]:
    """Of areas of the planes (planes, height, width), in all of them and in each: loudness."""
    height, width = planes.shape[1:]
    if min(height, width) < 2 * _AREA:
        return []
    energy = torch.nn.functional.avg_pool2d(planes.square()[:, None], _AREA, _AREA // 2)[:, 0]
    findings = []
    for each, dof, where in ((energy.mean(0, keepdim=True), len(planes) * _AREA**2, ""), (energy, _AREA**2, name)):
        deviations = _chi_square_deviations(each, dof)
        plane, row, column = farthest(deviations)
        said = "loud" if each[plane, row, column] > 1 else "quiet"
        of = f" in {where} {plane + 1}" if where else ""
        centre = f"row {(row + 1) * _AREA // 2}, column {(column + 1) * _AREA // 2}"
        findings.append(
            Finding(
                "loudness",
                float(deviations.abs().max()) / deviations_allowed(energy.numel()),
                f"a {said} area around {centre}{of}: {each[plane, row, column]:.2g} times the power of the rest",
            )
        )
    return findings


def spectral_findings(values: torch.Tensor, planes: torch.Tensor) -> list[Finding]:
    """Of the spectrum: a single frequency of all values (N,) in a line or of a plane's picture, and wide bands."""
    power = _line_power(values)
    peak = int(power.argmax())
    edges = torch.linspace(0, len(power), min(32, max(1, len(power) // 16)) + 1).round().long()
    bands = torch.stack([power[a:b].mean() for a, b in zip(edges, edges[1:], strict=False)])
    uneven = int((bands - 1).abs().argmax())
    deviations = torch.stack(
        [_chi_square_deviations(band, 2 * int(b - a)) for band, a, b in zip(bands, edges, edges[1:], strict=False)]
    )
    findings = [
        Finding(
            "frequency",
            float(power[peak]) / -math.log(level(len(power))),
            f"one frequency dominates: {power[peak]:,.0f} times the power of white noise at "
            f"{peak / (2 * len(power)):.3g} cycles per element",
        ),
        Finding(
            "bands",
            float(deviations.abs().max()) / deviations_allowed(len(bands)),
            f"uneven spectrum: {bands[uneven]:.2g} times the power of white noise around "
            f"{(edges[uneven] + edges[uneven + 1]) / (4 * len(power)):.2g} cycles per element",
        ),
    ]
    return findings + _picture_findings(planes)


def _picture_findings(planes: torch.Tensor) -> list[Finding]:
    height, width = planes.shape[1:]
    if height == 1 or width < 4:
        return []
    power = torch.fft.rfft2(planes, norm="ortho").abs().square()[..., 1 : (width + 1) // 2]  # complex bins alone
    findings = []
    for each, dof in ((power.mean(0, keepdim=True), 2 * len(planes)), (power, 2)):
        plane, row, column = farthest(each)
        most = float(each[plane, row, column])
        error = level(power.numel())
        findings.append(
            Finding(
                "frequency",
                most * dof / float(stats.chi2.isf(error, dof)),
                f"one frequency dominates: {most:,.0f} times the power of white noise at "
                f"{(column + 1) / width:.3g} cycles per column and {min(row, height - row) / height:.3g} per row",
            )
        )
    return findings


def _line_power(values: torch.Tensor) -> torch.Tensor:
    """Of the compact spectrum (N // 2,), of mean 1."""
    centred = (values - values.mean())[: len(values) // 2 * 2]
    power = compact_spectrum(centred[None])[0].abs().square()
    return power / power.mean()


def _shape_findings(rows: torch.Tensor, where: str) -> list[Finding]:
    """Of the values in each row (rows, n): skewness, tails and the distance from the bell curve."""
    count, size = rows.shape
    if count == 0 or size < _FEWEST:
        return []
    standard = ((rows - rows.mean(1, keepdim=True)) / rows.std(1, keepdim=True).clamp_min(1e-12)).numpy()
    allowed = deviations_allowed(count)
    skew, tails = stats.skewtest(standard, axis=1).statistic, stats.kurtosistest(standard, axis=1).statistic
    lopsided, tailed = int(abs(skew).argmax()), int(abs(tails).argmax())
    kurtosis = float((standard[tailed] ** 4).mean()) - 3
    bell = torch.special.ndtr(torch.from_numpy(standard).sort(1).values)
    steps = torch.arange(size + 1, dtype=bell.dtype) / size
    apart = torch.maximum(bell - steps[:-1], steps[1:] - bell).amax(1)
    kolmogorov = math.sqrt(-math.log(level(count) / 2) / (2 * size))
    return [
        Finding(
            "lopsided",
            float(abs(skew[lopsided])) / allowed,
            f"lopsided{where}: skewness {(standard[lopsided] ** 3).mean():.2g}",
        ),
        Finding(
            "tails",
            float(abs(tails[tailed])) / allowed,
            f"{'heavy' if kurtosis > 0 else 'light'} tails{where}: excess kurtosis {kurtosis:.2g}",
        ),
        Finding(
            "bell",
            float(apart.max()) / kolmogorov,
            f"no bell curve{where}: {apart.max():.2g} of the values are on the wrong side of one",
        ),
    ]


def _grid_findings(values: torch.Tensor) -> list[Finding]:
    """Of values that many elements share to the last bit: all on a grid, or only zeros."""
    count = values.numel()
    distinct, counts = values[values != 0].unique(return_counts=True)
    most = int(counts.argmax())
    many, few = (
        float(stats.binom.isf(level(comparisons), count, share)) + 1
        for share, comparisons in ((_SHARE_OF_A_VALUE, count), (_SHARE_OF_ZERO, 1))
    )
    zeros = count - int(counts.sum())
    rounded = Finding(
        "grid",
        float(counts[most]) / many,
        f"rounded: {counts[most] / count:.2g} of the values are exactly {distinct[most]:.3g}",
    )
    return [rounded if rounded.severity > 1 else Finding("grid", zeros / few, f"holes: {zeros:,} values are exactly 0")]


def _standard(values: torch.Tensor) -> torch.Tensor:
    return (values - values.mean()) / values.std(correction=0)


def _chi_square_deviations(mean_square: torch.Tensor, dof: int) -> torch.Tensor:
    """Normal deviations of chi^2 / dof (Wilson and Hilferty 1931)."""
    spread = 2 / (9 * dof)
    return (mean_square.pow(1 / 3) - (1 - spread)) / math.sqrt(spread)
