"""Tests of white noise: whether it is like itself, shifted, mirrored or turned, and whether its planes are alike."""

import math

import torch

from .whiteness_chance import Finding, deviations_allowed, farthest
from .whiteness_lags import MIRRORS, likeness, most_alike_planes

_FAR = 16  # elements, or a quarter of the side; what repeats farther apart is no pattern of neighbours


def likeness_findings(planes: torch.Tensor, name: str) -> list[Finding]:
    """Of planes (planes, height, width) of mean 0 and mean square 1: shifted and mirrored, all and each; in pairs."""
    findings = []
    allowed = deviations_allowed(len(MIRRORS) * planes.numel())
    for mirror, axes in MIRRORS.items():
        correlation, deviations = likeness(planes, axes)
        place = farthest(deviations)
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
                place = farthest(deviations)
                findings.append(
                    Finding(
                        "likeness",
                        float(deviations[place].abs()) / allowed,
                        f"{name} {i + 1}, {mirror}, is like itself: correlation {correlation[place]:.2g}",
                    )
                )
    return findings


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
    most = max(strongest.values(), key=lambda found: abs(found[0]), default=None)
    if most is None or abs(most[0]) < 0.5 * severity * allowed:
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
    direction = next(name for name, found in strongest.items() if found is most)
    _, distance, value = most
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
