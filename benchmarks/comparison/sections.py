"""Sections of the document, in its order. The words are in document.md."""

import math
from dataclasses import replace
from pathlib import Path

from ..shared import table, template
from .contenders import ABLATIONS, REFERENCE, VARIANT
from .drawings import Panel, draw_grid, draw_panels
from .findings import (
    Findings,
    diversity,
    interval,
    median_picture,
    share_inside,
    short,
    size_text,
    summary,
    time_ratio,
    title,
)
from .protocol import Curves
from .statistics import front, geometric_mean, time_to

PARTS = template(Path(__file__).with_name("document.md"))
COLUMNS = 8  # pictures in a row of a grid
MARKS = (0, 22, 52, 92, 200)  # steps of the trials that are shown
ABLATION_LEVEL = 8.5  # of the target, at which ablations are compared


def equal_time(findings: Findings, folder: Path) -> str:
    comparison, sound, names = findings.comparison, findings.sound, findings.names
    finals = {name: comparison.final(name) for name in names}
    starts = finals[names[0]].values
    first = [["start", "-", *(str(interval(key, starts[key][0])) for key in findings.scores)]]
    if sound:
        first.append(["sound pictures", "-", *(f"{sound.means[key]:.2f}" for key in findings.scores)])
    second = []
    for name, curves in finals.items():
        label, ends = findings.labels[name], findings.headline(name)
        first.append([label, size_text(comparison.chosen(name)), *(str(ends[key]) for key in findings.scores)])
        inside = [str(share_inside(curves.at(key, comparison.budget), limit))
                  for key, limit in (sound.limits.items() if sound else ())]
        images = findings.pictures(curves.noise, curves.prompts)
        distance = comparison.watched.feature_distance(images)
        second.append([label, *inside, "-" if distance is None else f"{distance:.1f}",
                       f"{diversity(images, curves.prompts):.3f}", f"{ends['relative_norm'].value:.2f}",
                       f"{ends['spectral_flatness'].value:.2f}", f"{ends['one_norm_deviation'].value:.2f}",
                       f"{ends['excess_kurtosis'].value:+.2f}", f"{ends['cosine_to_start'].value:.2f}",
                       f"{1e3 * comparison.step_seconds[name]:.1f}"])
    rows = {"start": findings.pictures(*findings.start_noise(COLUMNS), COLUMNS)}
    rows |= {findings.labels[name]: findings.pictures(curves.noise, curves.prompts, COLUMNS)
             for name, curves in finals.items()}
    draw_grid(rows, folder / "results.jpg")
    second_head = ("method", *(f"sound: {short(key)}" for key in findings.judges if sound), "Frechet distance",
                   "diversity", "norm / sqrt N", "flatness", "1-norm", "kurtosis", "cosine to start", "ms per step")
    return PARTS["equal_time"].format(
        noises=comparison.plan.noises, budget=comparison.budget, folder=folder.name,
        scores=table(("method", "step size", *map(short, findings.scores)), first),
        explained=sound and PARTS["sound_pictures"].format(count=sound.count, limits=", ".join(
            f"{short(key)}: {limit:.2f}" for key, limit in sound.limits.items())) or "",
        more=table(second_head, second))


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
    head = ("method, step size", "steps", *map(short, findings.scores))
    return PARTS["not_stopped"].format(table=table(head, rows), folder=folder.name)


def over_time(findings: Findings, folder: Path) -> str:
    finals = {name: findings.comparison.final(name) for name in findings.names}
    draw_panels([Panel(title(key), "seconds per noise",
                       {name: (findings.labels[name], curves.seconds, summary(key, curves.values[key]))
                        for name, curves in finals.items()},
                       log_y=key in findings.judges, sound=_sound_limit(findings, key))
                 for key in ("target", findings.main, *findings.judges)], folder / "over_time.png")
    tables = _times(findings) if findings.baselines else ""
    return PARTS["over_time"].format(tables=tables, folder=folder.name)


def _sound_limit(findings: Findings, key: str) -> float | None:
    return findings.sound.limits.get(key) if findings.sound else None


def _times(findings: Findings) -> str:
    comparison, sound, budget = findings.comparison, findings.sound, findings.comparison.budget
    targets = {name: comparison.final(name).at("target", budget).mean() for name in findings.baselines}
    best = max(targets, key=targets.__getitem__)
    judge = findings.judges[0] if findings.judges else None
    goals: list[tuple | None] = [(targets[best],)]  # a target, and the errors that are allowed
    if judge:
        goals.append((targets[best], (judge, geometric_mean(comparison.final(best).at(judge, budget)))))
        goals.append((sound.means["target"], (judge, sound.limits[judge])) if sound else None)
    rows = [[findings.labels[name], *(str(time_ratio(comparison.final(name), goal[0], budget, *goal[1:]))
                                      if goal else "-" for goal in goals)] for name in findings.names]
    matched = [[findings.labels[method], f"{each.limit:.2f}", findings.labels[each.baseline], f"{each.target:.2f}",
                f"{each.baseline_share:.2f}", str(each.ratio)]
               for method in (REFERENCE, VARIANT) if method in findings.names and findings.judges
               for each in findings.matched(method)]
    head = ("method", "best baseline's target", "at matched realism", "sound pictures' target")
    matched_head = ("method", "error limit", "best baseline", "its target", "its share of the budget",
                    "time of the method / the baseline's")
    return PARTS["times"].format(target=targets[best], best=findings.labels[best], table=table(head, rows),
                                 matched=table(matched_head, matched))


def fronts(findings: Findings, folder: Path) -> str:
    sound = findings.sound
    searched = [name for name in findings.names if len(findings.comparison.contenders[name].step_sizes) > 1]
    panels = []
    for key in (findings.main, *findings.judges):
        judged, lines = key in findings.judges, {}
        for name in searched:
            gains, values = findings.points(name).means("target"), findings.points(name).means(key)
            kept = front(gains, values if judged else -values)
            lines[name] = findings.labels[name], gains[kept], values[kept]
        panels.append(Panel(f"{title(key)}, against the target", "target", lines, log_y=judged, dots=True,
                            sound=_sound_limit(findings, key),
                            mark=(sound.means["target"], sound.means[key]) if sound else None))
    if sound:
        window = (sound.means["target"] - 1, 1.5 * sound.limits[findings.judges[0]])
        panels.insert(2, replace(panels[1], title="the same, where pictures are sound", window=window))
    draw_panels(panels, folder / "fronts.png")
    head = ("baseline", "judged by", "share of levels at or above", "median gap", "worst gap", "reach in target")
    tables = "".join(
        f"\n{findings.labels[method]} against the baselines:\n\n" + table(
            head, [[findings.labels[name], short(key), *map(str, (gap.better, gap.median, gap.least, gap.reach))]
                   for (name, key), gap in findings.gaps(method).items()]) + "\n"
        for method in (REFERENCE, VARIANT) if method in findings.names and findings.baselines)
    return PARTS["fronts"].format(noises=findings.comparison.plan.tuning_noises, folder=folder.name, tables=tables)


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
    return PARTS["left_running"].format(steps=comparison.plan.tuning_steps, table=table(head, rows),
                                        limits=", ".join(f"{sound.limits[key]:.2f}" for key in judges))


def ablations(findings: Findings) -> str:
    comparison, rows = findings.comparison, []
    for contender in ABLATIONS.values():
        curves = comparison.ablation(contender)
        rows.append([contender.label, contender.optimizer, size_text(contender.step_sizes[0]),
                     *(str(interval(key, curves.values[key][-1])) for key in findings.scores),
                     f"{curves.values['cosine_to_start'][-1].mean():.2f}", *_at_level(findings, curves)])
    head = ("GPER with", "optimizer", "step size", *map(short, findings.scores), "cosine",
            f"steps to target {ABLATION_LEVEL:g}", "held out there", "autoencoder there")
    by_batch = ", ".join(f"{batch}: {seconds:.4f}" for batch, seconds in comparison.seconds_by_batch().items())
    return PARTS["ablations"].format(steps=comparison.plan.steps, table=table(head, rows), by_batch=by_batch)


def _at_level(findings: Findings, curves: Curves) -> list[str]:
    """Steps to the level, the held-out reward and the error there."""
    moment = time_to(curves.seconds, curves.values["target"].mean(1), ABLATION_LEVEL)
    if not math.isfinite(moment):
        return ["never", "-", "-"]
    steps = moment / findings.comparison.step_seconds[REFERENCE]
    return [f"{steps:.0f}", f"{curves.at(findings.main, moment).mean():.2f}",
            f"{geometric_mean(curves.at(findings.judges[0], moment)):.2f}"]
