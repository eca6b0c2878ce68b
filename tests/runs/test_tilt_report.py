"""The NoiseTilt Sampler's report tells of what was looked at, and of nothing else."""

import pytest
import torch
from gper_pack.optimization import NoiseTilt, TiltedNoise
from gper_pack.preconditioning import Unconstrained
from gper_pack.runs.tilt_report import tilt_report

TILT = NoiseTilt(Unconstrained(), 0.1, start=0.3)  # of three noises the second and the third


def brightness(images):
    return images.mean((1, 2, 3))


def sampled(looks, end):
    """Three noises, of which so many of the tilted ones are looked at before memory runs out."""
    tilted, x = TiltedNoise(TILT, 3, brightness), torch.zeros(1, 3, 8, 8)
    tilted.pass_by()
    for _ in range(looks):
        tilted.look(x.clone().requires_grad_(True), torch.sigmoid)
        tilted(torch.randn(x.shape))
    if looks < 2:
        tilted.fail(x, "memory ran out")
    if end == "scored":
        tilted.finish(x + 1, torch.sigmoid)
    else:
        tilted.leave_unscored(x, "the end was too large")
    return tilt_report(tilted, "light", (0.0, 1.0), "about", {})


@pytest.mark.parametrize(
    ("looks", "end", "line"),
    [
        (2, "scored", "light: 0.5000 expected at step 2, 0.7311 in the end."),
        (1, "scored", "light: 0.5000 expected at step 2, 0.7311 in the end."),
        (0, "scored", "light: 0.7311 in the end; no step was looked at."),
        (2, "not", "0.5000 expected at step 2, 0.5000 when a step was looked at last; the finished picture was not"),
        (1, "not", "light: 0.5000 expected at step 2; the finished picture was not scored."),
        (0, "not", "light: nothing was scored. Ended: memory ran out; the end was too large."),
    ],
)
def test_what_was_scored(looks, end, line):
    report = sampled(looks, end)
    assert line in report and ("in the end" in report) == (end == "scored")
    assert ("memory ran out" in report) == (looks < 2) and ("the end was too large" in report) == (end != "scored")
    if looks or end == "scored":
        assert f"The noise of {looks} of 3 steps was tilted; " in report
        assert ("s for each" in report) == (looks > 0) and "s in all." in report


def test_a_part_of_the_steps_has_no_end():
    tilted = TiltedNoise(NoiseTilt(Unconstrained(), 0.1), 1, brightness)
    tilted.look(torch.zeros(1, 3, 8, 8, requires_grad=True), torch.sigmoid)
    report = tilt_report(tilted, "light", (0.0, 1.0), "about", {})
    assert "light: 0.5000 expected at step 1; the finished picture was not scored." in report
