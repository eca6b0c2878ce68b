"""Tests of white noise: each compares a number with what chance gives white noise, and says what is wrong.

A sample of white noise passes all of them but once in `1 / FALSE_ALARM`: the error is shared out evenly among the
kinds of tests, and within a kind among its comparisons (Bonferroni). Noise on the set of `project_white_gaussian`
strays less than white noise, so it passes too.
"""

import math
from dataclasses import dataclass

import torch
from scipy import stats

from .spectrum import compact_spectrum
from .whiteness_lags import MIRRORS, likeness, most_alike_planes

FALSE_ALARM = 1e-6
_KINDS = 20
_FAR = 16  # elements, or a quarter of the side; what repeats farther apart is no pattern of neighbours
_AREA = 8  # rows and columns of an area whose loudness is looked at
_FEWEST = 64  # elements for which the approximations of skewness and kurtosis hold that far out
# The most frequent value of N(0, 1) in bfloat16, the coarsest format of noise, and far more zeros than any has.
_SHARE_OF_A_VALUE, _SHARE_OF_ZERO = 2e-3, 1e-6


@dataclass(frozen=True)
class Finding:
    """One thing that noise has and white noise has not.

    Attributes:
        kind: findings of one kind have one cause.
        severity: thresholds passed; above 1 is a flaw.
        text: what it is.
    """

    kind: str
    severity: float
    text: str


def level(comparisons: int) -> float:
    """The error that one of so many comparisons of a kind may make."""
    return FALSE_ALARM / _KINDS / comparisons


def deviations_allowed(comparisons: int) -> float:
    """Standard deviations that the farthest of so many normal numbers stays within."""
    return float(stats.norm.isf(level(comparisons) / 2))


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
        plane, row, column = _farthest(deviations)
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


def likeness_findings(planes: torch.Tensor, name: str) -> list[Finding]:
    """Of planes (planes, height, width) of mean 0 and mean square 1: shifted and mirrored, all and each; in pairs."""
    findings = []
    allowed = deviations_allowed(len(MIRRORS) * planes.numel())
    for mirror, axes in MIRRORS.items():
        correlation, deviations = likeness(planes, axes)
        place = _farthest(deviations)
        severity = float(deviations[place].abs()) / allowed
        if mirror == "shifted":
            findings.append(_shift_finding(correlation, deviations, place, severity, allowed, name))
        else:
            findings.append(
                Finding("likeness", severity, f"{mirror} it is like itself: correlation {correlation[place]:.2g}")
            )
    if len(planes) > 1:
        first, second, alike = most_alike_planes(planes)
        pairs = len(planes) * (len(planes) - 1) // 2
        severity = abs(alike) * math.sqrt(planes[0].numel()) / deviations_allowed(pairs)
        findings.append(
            Finding(
                "likeness",
                severity,
                f"{name}s {first + 1} and {second + 1} are "
                f"{'alike' if alike > 0 else 'opposites'}: correlation {alike:.2g}",
            )
        )
        for i, plane in enumerate(planes):
            for mirror, axes in MIRRORS.items():
                correlation, deviations = likeness(plane[None], axes)
                place = _farthest(deviations)
                findings.append(
                    Finding(
                        "likeness",
                        float(deviations[place].abs()) / allowed,
                        f"{name} {i + 1}, {mirror}, is like itself: correlation {correlation[place]:.2g}",
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
        plane, row, column = _farthest(each)
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


def _shift_finding(
    correlation: torch.Tensor,
    deviations: torch.Tensor,
    place: tuple[int, ...],
    severity: float,
    allowed: float,
    name: str,
) -> Finding:
    """The strongest likeness of shifted planes, named as the pattern it makes."""
    strongest = {}
    for direction, line in (("rows", (0, 0)), ("columns", (0, slice(None), 0))):
        far = min(_FAR, correlation[line].numel() // 4)
        if far:
            distance = int(deviations[line][1 : far + 1].abs().argmax()) + 1
            if abs(deviations[line][distance]) > allowed:
                strongest[direction] = float(deviations[line][distance]), distance, float(correlation[line][distance])
    farthest = max(strongest.values(), key=lambda found: abs(found[0]), default=None)
    if farthest is None or abs(farthest[0]) < 0.5 * severity * allowed:
        planes, rows, columns = (
            i - size if 2 * i > size else i for i, size in zip(place, correlation.shape, strict=True)
        )
        if correlation.shape[:2] == (1, 1):
            by = f"{abs(columns)} elements"
        else:
            by = ", ".join(
                f"{abs(by)} {what if abs(by) != 1 else what[:-1]}"
                for by, what in ((planes, f"{name}s"), (rows, "rows"), (columns, "columns"))
                if by
            )
        return Finding("likeness", severity, f"repeats itself: correlation {correlation[place]:.2g} after {by}")
    direction = next(name for name, found in strongest.items() if found is farthest)
    _, distance, value = farthest
    both = len(strongest) == 2 and min(abs(found[2]) for found in strongest.values()) > abs(value) / 3
    where = ""
    if correlation.shape[:2] == (1, 1):
        pattern = "neighbours are alike" if value > 0 else "neighbours alternate"
    elif both:
        pattern, where = "blurred or coarse pattern" if value > 0 else "alternating pattern", f" along {direction}"
    elif value > 0:
        pattern = "horizontal stripes" if direction == "rows" else "vertical stripes"
    else:
        pattern = "columns alternate" if direction == "rows" else "rows alternate"
    return Finding("likeness", severity, f"{pattern}: correlation {value:.2g} at distance {distance}{where}")


def _farthest(deviations: torch.Tensor) -> tuple[int, ...]:
    index = torch.unravel_index(deviations.abs().argmax(), deviations.shape)
    return tuple(int(i) for i in index)


def _standard(values: torch.Tensor) -> torch.Tensor:
    return (values - values.mean()) / values.std(correction=0)


def _chi_square_deviations(mean_square: torch.Tensor, dof: int) -> torch.Tensor:
    """Normal deviations of chi^2 / dof (Wilson and Hilferty 1931)."""
    spread = 2 / (9 * dof)
    return (mean_square.pow(1 / 3) - (1 - spread)) / math.sqrt(spread)
