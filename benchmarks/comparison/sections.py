"""Sections of the document on the comparison itself: at equal time, over time, and the fronts."""

from dataclasses import replace
from pathlib import Path

from ..shared import table
from .contenders import REFERENCE, VARIANT
from .drawings import Line, Panel, draw_grid, draw_panels
from .findings import Findings, diversity, interval, share_inside, summary, time_ratio
from .statistics import front, geometric_mean
from .words import said, short, size_text, title

COLUMNS = 8  # pictures in a row of a grid


def equal_time(findings: Findings, folder: Path) -> str:
    comparison, sound, names = findings.comparison, findings.sound, findings.names
    finals = {name: comparison.final(name) for name in names}
    starts = finals[names[0]].values
    first = [["start", "-", *(said(interval(key, starts[key][0])) for key in findings.scores)]]
    if sound:
        first.append(["sound pictures", "-", *(f"{sound.means[key]:.2f}" for key in findings.scores)])
    second = []
    for name, curves in finals.items():
        label, ends = findings.labels[name], findings.headline(name)
        first.append([label, size_text(comparison.chosen(name)), *(said(ends[key]) for key in findings.scores)])
        inside = [said(share_inside(curves.at(key, comparison.budget), limit))
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
    explained = "" if sound is None else f"""
*Sound pictures* are what this world can do for the taste without leaving white noise: {sound.count} pictures, each
of the one of 4,096 white noises whose scene pleases the taste most, as read off the scene itself. A target above theirs
cannot be had honestly. A picture counts as sound for a judge while its error is below that of 97.5% of them
({', '.join(f'{short(key)}: {limit:.2f}' for key, limit in sound.limits.items())}).
"""
    second_head = ("method", *(f"sound: {short(key)}" for key in findings.judges if sound), "Frechet distance",
                   "diversity", "norm / sqrt N", "flatness", "1-norm", "kurtosis", "cosine to start", "ms per step")
    return f"""## At equal time

{comparison.plan.noises} noises, {comparison.budget:.2f} s for each. Held-out rewards: larger is better. Realism errors (after them): smaller is better.

{table(("method", "step size", *map(short, findings.scores)), first)}
{explained}
{table(second_head, second)}

*sound*: share of pictures within the limit. *Frechet distance* of the scene reader's features to those of painter
pictures, biased upwards for so few pictures, alike in all rows. *Diversity*: mean difference of two pictures of one
prompt, shrunk to 16 x 16. *Flatness* of the noise's spectrum over blocks of 16 (1: even; white noise 0.97), *1-norm*:
largest relative deviation of a block (white noise about 0.5, GPER's set 0), *kurtosis*: excess, 0 for white noise.

![Results of every method from the same noises]({folder.name}/results.jpg)
"""  # noqa: E501


def _sound_limit(findings: Findings, key: str) -> float | None:
    return findings.sound.limits.get(key) if findings.sound else None


def over_time(findings: Findings, folder: Path) -> str:
    finals = {name: findings.comparison.final(name) for name in findings.names}
    draw_panels([Panel(title(key), "seconds per noise",
                       [Line(name, findings.labels[name], curves.seconds, summary(key, curves.values[key]))
                        for name, curves in finals.items()],
                       log_y=key in findings.judges, sound=_sound_limit(findings, key))
                 for key in ("target", findings.main, *findings.judges)], folder / "over_time.png")
    tables = _time_tables(findings) if findings.baselines else ""
    return f"## Over time\n\n{tables}![Scores over time]({folder.name}/over_time.png)\n"


def _time_tables(findings: Findings) -> str:
    comparison, sound, budget = findings.comparison, findings.sound, findings.comparison.budget
    targets = {name: comparison.final(name).at("target", budget).mean() for name in findings.baselines}
    best = max(targets, key=targets.__getitem__)
    judge = findings.judges[0] if findings.judges else None
    goals: list[tuple | None] = [(targets[best],)]  # a target, and the errors that are allowed
    if judge:
        goals.append((targets[best], (judge, geometric_mean(comparison.final(best).at(judge, budget)))))
        goals.append((sound.means["target"], (judge, sound.limits[judge])) if sound else None)
    rows = []
    for name in findings.names:
        ratios = [time_ratio(comparison.final(name), goal[0], budget, *goal[1:]) if goal else None for goal in goals]
        rows.append([findings.labels[name], *("-" if ratio is None else said(ratio) for ratio in ratios)])
    matched = [[findings.labels[method], f"{each.limit:.2f}", findings.labels[each.baseline], f"{each.target:.2f}",
                f"{each.baseline_share:.2f}", said(each.ratio)]
               for method in (REFERENCE, VARIANT) if method in findings.names and findings.judges
               for each in findings.matched(method)]
    head = ("method", "best baseline's target", "at matched realism", "sound pictures' target")
    matched_head = ("method", "error limit", "best baseline", "its target", "its share of the budget",
                    "time of the method / the baseline's")
    return f"""At the chosen step sizes, the share of the time budget after which the mean target is
- at {targets[best]:.2f}, where the best baseline ({findings.labels[best]}) ends,
- there, with no larger a mean realism error (autoencoder) than that baseline's,
- at the target of sound pictures, with a mean realism error within their limit.

{table(head, rows)}

The same question with every method at the step size that suits it best, from the tuning noises: the highest target that
a baseline reaches with a mean realism error (autoencoder) within a limit, and the time to it.

{table(matched_head, matched)}

"""


def fronts(findings: Findings, folder: Path) -> str:
    sound = findings.sound
    searched = [name for name in findings.names if len(findings.comparison.contenders[name].step_sizes) > 1]
    panels = []
    for key in (findings.main, *findings.judges):
        judged, lines = key in findings.judges, []
        for name in searched:
            gains, values = findings.points(name).means("target"), findings.points(name).means(key)
            kept = front(gains, values if judged else -values)
            lines.append(Line(name, findings.labels[name], gains[kept], values[kept]))
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
            head, [[findings.labels[name], short(key), said(gap.better), said(gap.median), said(gap.least),
                    said(gap.reach)] for (name, key), gap in findings.gaps(method).items()]) + "\n"
        for method in (REFERENCE, VARIANT) if method in findings.names and findings.baselines)
    return f"""## Fronts

What each method reached on the {findings.comparison.plan.tuning_noises} tuning noises at any step size and any moment
within the budget, without the points that another point beats in both respects. Step size, time and protection trade
against each other; fronts do not depend on a choice of step size. The green band holds errors of sound pictures.

![Fronts]({folder.name}/fronts.png)
{tables}
*Gap*: by how much the front is above the baseline's at a level of the target that both reach: in units of the held-out
reward, or the ratio of realism errors less 1. *Reach*: difference of the highest mean targets.
"""
