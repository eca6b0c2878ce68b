"""Tables, goals and pictures of the comparison, for docs/noisetilt.md."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from ..comparison.drawings import Panel, draw_grid, draw_panels
from ..comparison.findings import diversity, front_gaps, short, size_text, summary, title
from ..comparison.goals import Goal
from ..comparison.statistics import bootstrap_mean, front
from ..shared import table
from .runs import LOOKED_AT, MORE, Row, Runs
from .subject import FEW_STEPS
from .ways import PLAIN, REFERENCE, SEEDS, STEPS, WAYS, Way

COLUMNS = 8
WHITENESS = ("looks white", "lag-1", "step to step")


def written(runs: Runs, names: list[str], folder: Path, command: str) -> tuple[str, dict]:
    """The text of the comparison, its pictures drawn into `folder`, and its numbers."""
    rows = [(why, row) for name in names for count, why in runs.counts(WAYS[name]).items()
            for row in [runs.finals(WAYS[name])[count]]]
    found = goals(runs, names)
    folder.mkdir(parents=True, exist_ok=True)
    _fronts(runs, names, folder / "fronts.png")
    _pictures(runs, names, folder / "results.jpg")
    plan, whole = runs.plan, f"{folder.name}/"
    text = f"""Written by `{command}`: {runs.climbed.name}, {STEPS} steps of `euler_ancestral`, {plan.noises} noises.

- Each way has the setting that the same rule chose on {plan.tuning_noises} other noises: the largest whose held-out
  reward is within one standard error of the best.
- *Equal time* is that of *{WAYS[REFERENCE].label}*, {runs.budget:.2f} s a sample on one thread. *Evaluations* are
  forwards of the model; a forward with its backward counts for three.
- *NoiseTilt* mixes the gradient into the noise, whitened by W alone (*intervals*), by GPER's projection alone, or by
  *both*. *Raw gradient* mixes it in as it is; *gradient added* adds it to the step and leaves the noise, as DPS does in
  other units. *Best of n per step* is SVDD. The *Noise Optimizer* climbs through {FEW_STEPS} plain steps, and its
  pictures are those of these steps.
- ± is the wider side of a 95% bootstrap interval over the noises. Realism errors are geometric means, lower is better.

{_goals(found)}

{_results(runs, rows)}

*{WAYS[REFERENCE].label}* at every strength, on the noises of the comparison; nothing was chosen by this table:

{_strengths(runs)}

How white the injected noise was: by Noise Statistics, between neighbours, and from one step to the next. Of the Noise
Optimizer, which injects none, it is the start noise. Noise Statistics was asked at {LOOKED_AT} steps.

{_whiteness(rows)}

On the {plan.tuning_noises} other noises, every setting in NoiseTilt's time, without those that another one beats:

![Fronts]({whole}fronts.png)

The first noises of the comparison:

![Pictures]({whole}results.jpg)"""
    return text, {"plan": asdict(plan), "torch": torch.__version__, "budget_s": runs.budget, "rows": [
        _numbers(runs, why, row) for why, row in rows], "trials": {
            name: {size_text(setting): {key: round(float(summary(key, row.values[key])), 4) for key in _keys(runs)}
                   for setting, row in runs.trials(WAYS[name]).items()} for name in names},
        "by_strength": [_numbers(runs, "", row) for row in runs.by_strength().values()],
        "goals": [asdict(goal) for goal in found]}


def _keys(runs: Runs) -> tuple[str, ...]:
    return ("target", *runs.held_out, *runs.judges)


def _numbers(runs: Runs, why: str, row: Row) -> dict:
    ends = {key: [round(end, 4) for end in (value.value, value.low, value.high)]
            for key in _keys(runs) for value in [row.interval(key)]}
    white = {key: round(float(row.values[key].mean()), 4) for key in WHITENESS if key in row.values}
    return {"way": row.way.name, "why": why, "setting": row.setting, "count": row.count, "seconds": row.seconds,
            "evaluations": row.way.evaluations(row.count), **ends, **white}


def _label(row: Row, why: str) -> str:
    return f"{row.way.label}, {why}" if why else row.way.label


def _results(runs: Runs, rows: list[tuple[str, Row]]) -> str:
    head = ("way", "setting", "n", "evaluations", "seconds", *map(title, _keys(runs)), "diversity")
    prompts = tuple(runs.prompts(runs.plan.noises))
    unlike = [diversity(row.tensors["small"], prompts) for _, row in rows]  # NaN where no prompt has two pictures
    return table(head, [
        (_label(row, why), size_text(row.setting), str(row.count) if row.way.counted else "",
         str(row.way.evaluations(row.count)), f"{row.seconds:.2f}", *(str(row.interval(key)) for key in _keys(runs)),
         "" if np.isnan(between) else f"{between:.3f}")
        for (why, row), between in zip(rows, unlike, strict=True)])


def _strengths(runs: Runs) -> str:
    return table(("strength", *map(title, _keys(runs))), [
        (size_text(setting), *(str(row.interval(key)) for key in _keys(runs)))
        for setting, row in runs.by_strength().items()])


def _whiteness(rows: list[tuple[str, Row]]) -> str:
    head = ("way", "steps whose noise looks white", "lag-1 correlation", "cosine to the next step's")
    return table(head, [
        (_label(row, why), f"{row.values['looks white'].mean():.0%}",
         *("" if np.isnan(row.values[key]).any() else f"{row.values[key].mean():+.3f}" for key in WHITENESS[1:]))
        for why, row in rows if "looks white" in row.values])


def goals(runs: Runs, names: list[str]) -> list[Goal]:
    """Those that can be told of these ways."""
    tilt = runs.finals(WAYS[REFERENCE])[1]
    found = []
    if SEEDS in names:
        count, = (count for count, why in runs.counts(WAYS[SEEDS]).items() if str(MORE) in why)
        seeds = runs.finals(WAYS[SEEDS])[count]
        more = {key: bootstrap_mean(tilt.values[key] - seeds.values[key]) for key in ("target", *runs.held_out)}
        found.append(Goal("a", f"target and held-out rewards above best of n at {MORE} times the evaluations",
                          all(gap.low > 0 for gap in more.values()),
                          "; ".join(f"{title(key)} {gap.with_ends()}" for key, gap in more.items())))
    if PLAIN in names:
        plain = runs.finals(WAYS[PLAIN])[1]
        errors = {key: (tilt.interval(key), plain.interval(key)) for key in runs.judges}
        found.append(Goal("b", "realism inside the interval of plain sampling",
                          all(of.low <= ours.value <= of.high for ours, of in errors.values()),
                          "; ".join(f"{short(key)}: {ours.value:.2f}, plain {of.with_ends()}"
                                    for key, (ours, of) in errors.items())))
    rivals = [name for name in names if name != PLAIN and not name.startswith("tilt-")]
    better = [text for name in rivals for text in _above(runs, WAYS[name])]
    found.append(Goal("c", "nothing reaches a better front at equal time", not better,
                      "; ".join(better) or "none of " + ", ".join(WAYS[name].label for name in rivals)))
    return found


def _above(runs: Runs, rival: Way) -> list[str]:
    """Where the rival's front is above NoiseTilt's beyond chance, at targets that both reach."""
    theirs = runs.points(rival)
    gaps = front_gaps(runs.points(WAYS[REFERENCE]),
                      {(rival.label, key): theirs for key in (*runs.held_out, *runs.judges)})
    return [f"{name} on {short(key)} ({gap.worst:+.2f}, at most {gap.bound:+.2f})"
            for (name, key), gap in gaps.items() if gap.below]


def _goals(found: list[Goal]) -> str:
    return table(("", f"goal, for {WAYS[REFERENCE].label}", "", "measured"), [
        (goal.letter, goal.text, goal.verdict, goal.evidence) for goal in found])


def _fronts(runs: Runs, names: list[str], path: Path) -> None:
    panels = []
    for key in (*runs.held_out, *runs.judges):
        judged, lines = key in runs.judges, {}
        for name in names:
            points = runs.points(WAYS[name])
            gains, values = points.means("target"), points.means(key)
            kept = front(gains, values if judged else -values)
            lines[name] = (WAYS[name].label, gains[kept], values[kept])
        panels.append(Panel(f"{title(key)}, against the target", "target", lines, log_y=judged, dots=True))
    draw_panels(panels, path)


def _pictures(runs: Runs, names: list[str], path: Path) -> None:
    count = min(COLUMNS, runs.plan.noises)
    rows, captions = {}, []
    for name in names:
        timely = [n for n, why in runs.counts(WAYS[name]).items() if why.endswith("time")]
        row = runs.finals(WAYS[name])[timely[0] if timely else 1]
        rows[row.way.label] = runs.pictures({key: value[:count] for key, value in row.tensors.items()},
                                            runs.prompts(count))
        captions.append([f"{value:.1f}" for value in row.values["target"][:count]])
    draw_grid(rows, path, captions)
