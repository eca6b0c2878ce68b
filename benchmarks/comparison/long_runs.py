"""Sections of the document on runs beyond the comparison: ascents that are not stopped, and ablations."""

import math
from typing import TYPE_CHECKING

from . import findings
from .contenders import ABLATIONS, REFERENCE
from .drawings import draw_grid
from .markdown import said, size_text, table
from .protocol import Curves, held_out_key
from .statistics import geometric_mean

if TYPE_CHECKING:
    from .report import Report

COLUMNS = 8  # pictures in a row of a grid
MARKS = (0, 22, 52, 92, 200)  # steps of the trials that are shown


def not_stopped(report: "Report") -> str:
    """Whether the world lets a reward be hacked at all."""
    long = [name for name in ("none", REFERENCE) if name in report.comparison.plan.long_trials and name in report.names]
    if not long:
        return ""
    keys = ("target", *report.held_out, *report.judges)
    rows, grid, captions = [], {}, []
    for name in long:
        trials = report.comparison.trials(name)
        for size in (report.comparison.chosen(name), max(trials)):
            curves, steps = trials[size], report.steps(trials[size], name)
            for mark in MARKS:
                if mark not in steps:
                    continue
                values = {key: curves.values[key][steps.index(mark)] for key in keys}
                rows.append([f"{report.label(name)}, {size_text(size)}", str(mark),
                             *(f"{findings.summary(key, values[key]).item():.2f}" for key in keys)])
            row = f"{report.label(name)}, step size {size_text(size)}, {steps[-1]} steps"
            grid[row] = findings.pictures(report.comparison.watched, curves.noise[:COLUMNS],
                                          list(curves.prompts[:COLUMNS]))
            captions.append([f"{target:.1f} / {held:.1f}" for target, held in zip(
                curves.values["target"][-1][:COLUMNS].tolist(),
                curves.values[held_out_key(report.comparison.watched)][-1][:COLUMNS].tolist(), strict=True)])
    draw_grid(grid, captions).save(report.folder / "not_stopped.jpg", quality=88)
    head = ("method, step size", "steps", "target", *(key.split(": ")[1] for key in keys[1:]))
    return f"""## Can the question be asked in this world?

The tuning noises, at the chosen step size and at the largest one, not stopped at the budget. Below, the pictures at the
end, with target / held-out reward.

{table(head, rows)}
![Pictures of ascents that were not stopped]({report.folder.name}/not_stopped.jpg)
"""


def left_running(report: "Report") -> str:
    if not report.sound:
        return ""
    rows = []
    for name in report.names:
        if name not in report.comparison.plan.long_trials:
            continue
        for size, curves in report.comparison.trials(name).items():
            rows.append([report.label(name), size_text(size), f"{curves.values['target'][-1].mean():.2f}",
                         f"{curves.values[held_out_key(report.comparison.watched)][-1].mean():.2f}",
                         *(f"{curves.values[key][-1].median():.2f}" for key in report.judges),
                         *(f"{findings.share_inside(curves.values[key][-1], report.sound.limits[key]).value:.2f}"
                           for key in report.judges)])
    if not rows:
        return ""
    names = [key.split(": ")[1] for key in report.judges]
    limits = ", ".join(f"{report.sound.limits[key]:.2f}" for key in report.judges)
    return f"""## Left running

After {report.comparison.plan.tuning_steps} steps, on the tuning noises: the median picture's errors (limits of sound
pictures: {limits}) and the share of pictures within the limits.

{table(("method", "step size", "target", "held out", *(f"median: {name}" for name in names),
     *(f"sound: {name}" for name in names)), rows)}"""


def ablations(report: "Report") -> str:
    keys = ("target", *report.held_out, *report.judges)
    comparison = report.comparison
    rows = []
    for contender in ABLATIONS.values():
        curves = comparison.ablation(contender)
        rows.append([contender.label, contender.optimizer, size_text(contender.step_sizes[0]),
                     *(said(findings.interval(key, curves.values[key][-1])) for key in keys),
                     f"{curves.values['cosine_to_start'][-1].mean():.2f}",
                     *_at_level(report, curves, findings.ABLATION_LEVEL)])
    by_batch = ", ".join(f"{batch}: {seconds:.4f}" for batch, seconds in comparison.seconds_by_batch().items())
    head = ("GPER with", "optimizer", "step size", "target", *(key.split(": ")[1] for key in keys[1:]), "cosine",
            f"steps to target {findings.ABLATION_LEVEL:g}", "held out there", "autoencoder there")
    return f"""## Ablations

GPER with one thing changed, {comparison.plan.steps} steps on the tuning noises. A change that slows the ascent looks
better at the end than it is: the last three columns compare at one level of the target.

{table(head, rows)}
A batch changes no result, since every noise is optimized on its own, only the time. Seconds of a step per noise, with
so many noises at once: {by_batch}.
"""


def _at_level(report: "Report", curves: Curves, level: float) -> list[str]:
    moment = findings.time_to(curves.seconds, curves.values["target"].mean(1), level)
    if not math.isfinite(moment):
        return ["never", "-", "-"]
    steps = moment / report.comparison.step_seconds[REFERENCE]
    held = curves.at(held_out_key(report.comparison.watched), moment).mean().item()
    error = geometric_mean(curves.at(report.judges[0], moment)).item()
    return [f"{steps:.0f}", f"{held:.2f}", f"{error:.2f}"]
