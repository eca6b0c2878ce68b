"""In words: does noise look like white noise, and if not, what is wrong with it."""

import math

import torch

from .whiteness_findings import (
    area_findings,
    channel_findings,
    spectral_findings,
    value_findings,
)
from .whiteness_likeness import likeness_findings

WHITE = "looks like white noise"
_SHOWN = 2


@torch.no_grad()
def describe_whiteness(noise: torch.Tensor) -> str:
    """A verdict on each sample, one line each: "looks like white noise" or its worst flaws.

    Each channel is looked at alone, channels against each other, the sample against itself shifted and mirrored, its
    spectrum, and the distribution of its values. A flaw is named only where chance hardly produces it, see
    `whiteness_chance.FALSE_ALARM`.

    Args:
        noise: real, shape (batch, ...), any floating dtype; the last two axes are rows and columns of a picture if
            there are at least three, else each sample is one line of values.

    Returns:
        text; with several samples each line begins with "sample 1: ".

    Raises:
        ValueError: for a missing batch dimension, fewer than 16 elements per sample, NaN or infinite values.
    """
    if noise.ndim < 2 or noise.shape[0] == 0 or noise[0].numel() < 16:
        raise ValueError(
            "noise must have shape (batch, ...) with at least one sample of at least 16 elements, "
            f"got {tuple(noise.shape)}"
        )
    if not torch.isfinite(noise).all():
        raise ValueError("the noise holds NaN or infinite values and cannot be described")
    verdicts = [_verdict(sample) for sample in noise.detach().to("cpu", torch.float64)]
    if len(verdicts) == 1:
        return verdicts[0]
    return "\n".join(f"sample {i + 1}: {verdict}" for i, verdict in enumerate(verdicts))


def _verdict(sample: torch.Tensor) -> str:
    values = sample.flatten()
    if values.std(correction=0) <= 1e-6 * values.abs().max():
        return "no noise at all: every element is the same"
    is_picture = sample.ndim >= 3
    planes = sample.reshape(-1, *sample.shape[-2:]) if is_picture else sample.reshape(1, 1, -1)
    name = "channel" if math.prod(sample.shape[1:-2]) == 1 else "frame"
    centred = planes - values.mean()
    square = centred.square().mean((1, 2), keepdim=True)
    unit = torch.where(square > 0, centred / square.sqrt(), 0)
    findings = [
        *value_findings(values),
        *channel_findings(planes.flatten(1), name),
        *area_findings(unit, name),
        *likeness_findings(unit, name),
        *spectral_findings(values, unit),
    ]
    worst: dict[str, str] = {}
    for finding in sorted(findings, key=lambda finding: -finding.severity):
        if finding.severity > 1:
            worst.setdefault(finding.kind, finding.text)
    return "; ".join(list(worst.values())[:_SHOWN]) or WHITE
