"""Sections of the document on runs beyond the comparison: ascents that are not stopped, and ablations."""

import math
from pathlib import Path

from ..shared import table
from .contenders import ABLATIONS, REFERENCE
from .drawings import draw_grid
from .findings import Findings, interval, median_picture, share_inside, summary
from .protocol import Curves
from .sections import COLUMNS
from .statistics import geometric_mean, time_to
from .words import said, short, size_text

MARKS = (0, 22, 52, 92, 200)  # steps of the trials that are shown
ABLATION_LEVEL = 8.5  # of the target, at which ablations are compared


def not_stopped(findings: Findings, folder: Path) -> str:
    """Whether the world lets a reward be hacked at all."""
    comparison, rows, grid, captions = findings.comparison, [], {}, []
    for name in ("none", REFERENCE):
        if name not in comparison.plan.long_trials or name not in findings.names:
            continue
        trials, label = comparison.trials(name), findings.labels[name]
        for size in dict.fromkeys((comparison.chosen(name), max(trials))):
            curves = trials[size]
            rows += [[f"{label}, {size_text(size)}", str(step),
                      *(f"{summary(key, curves.values[key][i]):.2f}" for key in findings.scores)]
                     for i, step in enumerate(curves.steps) if step in MARKS]
            row = f"{label}, step size {size_text(size)}, {curves.steps[-1]} steps"
            grid[row] = findings.pictures(curves.noise, curves.prompts, COLUMNS)
            ends = zip(curves.values["target"][-1], curves.values[findings.main][-1], strict=True)
            captions.append([f"{target:.1f} / {held_out:.1f}" for target, held_out in ends])
    if not rows:
        return ""
    draw_grid(grid, folder / "not_stopped.jpg", captions)
    return f"""## Can the question be asked in this world?

The tuning noises, at the chosen step size and at the largest one, not stopped at the budget. Below, the pictures at the
end, with target / held-out reward.

{table(("method, step size", "steps", *map(short, findings.scores)), rows)}

![Pictures of ascents that were not stopped]({folder.name}/not_stopped.jpg)
"""


def left_running(findings: Findings) -> str:
    comparison, sound, judges = findings.comparison, findings.sound, findings.judges
    rows = []
    for name in findings.names:
        if sound and name in comparison.plan.long_trials:
            for size, curves in comparison.trials(name).items():
                ends = {key: values[-1] for key, values in curves.values.items()}
                rows.append([findings.labels[name], size_text(size),
                             f"{ends['target'].mean():.2f}", f"{ends[findings.main].mean():.2f}",
                             *(f"{median_picture(ends[key]):.2f}" for key in judges),
                             *(f"{share_inside(ends[key], sound.limits[key]).value:.2f}" for key in judges)])
    if not rows:
        return ""
    head = ("method", "step size", "target", "held out", *(f"median: {short(key)}" for key in judges),
            *(f"sound: {short(key)}" for key in judges))
    return f"""## Left running

After {comparison.plan.tuning_steps} steps, on the tuning noises: the median picture's errors (limits of sound
pictures: {", ".join(f"{sound.limits[key]:.2f}" for key in judges)}) and the share of pictures within the limits.

{table(head, rows)}
"""


def ablations(findings: Findings) -> str:
    comparison, rows = findings.comparison, []
    for contender in ABLATIONS.values():
        curves = comparison.ablation(contender)
        rows.append([contender.label, contender.optimizer, size_text(contender.step_sizes[0]),
                     *(said(interval(key, curves.values[key][-1])) for key in findings.scores),
                     f"{curves.values['cosine_to_start'][-1].mean():.2f}", *_at_level(findings, curves)])
    by_batch = ", ".join(f"{batch}: {seconds:.4f}" for batch, seconds in comparison.seconds_by_batch().items())
    head = ("GPER with", "optimizer", "step size", *map(short, findings.scores), "cosine",
            f"steps to target {ABLATION_LEVEL:g}", "held out there", "autoencoder there")
    return f"""## Ablations

GPER with one thing changed, {comparison.plan.steps} steps on the tuning noises. A change that slows the ascent looks
better at the end than it is: the last three columns compare at one level of the target.

{table(head, rows)}

A batch changes no result, since every noise is optimized on its own, only the time. Seconds of a step per noise, with
so many noises at once: {by_batch}.
"""


def _at_level(findings: Findings, curves: Curves) -> list[str]:
    """Steps to the level, the held-out reward and the error there."""
    moment = time_to(curves.seconds, curves.values["target"].mean(1), ABLATION_LEVEL)
    if not math.isfinite(moment):
        return ["never", "-", "-"]
    steps = moment / findings.comparison.step_seconds[REFERENCE]
    return [f"{steps:.0f}", f"{curves.at(findings.main, moment).mean():.2f}",
            f"{geometric_mean(curves.at(findings.judges[0], moment)):.2f}"]
