"""The document: tables and pictures of a comparison, and in between what was hand-written about an earlier run."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import torch

from . import findings, long_runs
from .contenders import BASELINES, REFERENCE, VARIANT
from .drawings import Line, Panel, draw_grid, draw_panels
from .findings import Goal, Sound
from .long_runs import COLUMNS
from .markdown import said, size_text, table, title
from .protocol import Comparison, Curves, held_out_key
from .statistics import front, geometric_mean

READING = ("<!-- reading: written by hand, kept when the document is made again -->", "<!-- end of reading -->")


def _within(line: Line, low: float, most: float) -> Line:
    """The points of a line with x from `low` and y up to `most`."""
    points = [(x, y) for x, y in zip(line.xs, line.ys, strict=True) if x >= low and y <= most]
    return replace(line, xs=[x for x, _ in points], ys=[y for _, y in points])


class Report:
    """Everything that is written about `comparison`, with `ablations` run or not, into `out` (a .md file)."""

    def __init__(self, comparison: Comparison, out: Path, with_ablations: bool, command: str) -> None:
        self.comparison, self.out, self.command = comparison, out, command
        self.with_ablations = with_ablations
        self.names = list(comparison.contenders)
        self.baselines = [name for name in self.names if name in BASELINES]
        self.sound = findings.sound(comparison)
        self.held_out = [f"held out: {name}" for name in comparison.watched.held_out]
        self.judges = [f"judge: {name}" for name in comparison.watched.judges]
        self.headlines = {name: findings.headline(comparison, name) for name in self.names}
        self.folder = out.with_suffix("")
        self._gaps: dict[str, dict[tuple[str, str], findings.FrontGap]] = {}

    def write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        goals = self.goals()
        sections = [self._opening(), self._goals(goals), self._reading(), self._main(), long_runs.not_stopped(self),
                    self._speed(), self._fronts(), long_runs.left_running(self)]
        if self.with_ablations:
            sections.append(long_runs.ablations(self))
        self.out.write_text("\n".join(section for section in sections if section))
        self.out.with_suffix(".json").write_text(json.dumps(self._figures(goals), indent=1) + "\n")

    def label(self, name: str) -> str:
        return self.comparison.contenders[name].label

    def _opening(self) -> str:
        plan, comparison = self.comparison.plan, self.comparison
        budget = comparison.budget
        return f"""# The methods compared: {comparison.climbed.name}

Written by `{self.command}`; the numbers are those of that run. `benchmarks/comparison/` holds the parts.

- **Budget**: the time of {plan.steps} steps of unprotected ascent, {budget:.2f} s per noise; a search gets as many
  evaluations as fit in that time. Time is processor time of one thread where the machine is a CPU. What a step of each
  method costs was measured with the methods taking turns, and times are steps times that cost.
- **Noises**: {plan.noises} start noises for the comparison, {plan.tuning_noises} others for the choice of step sizes
  and the fronts; noise i has its own seed and the prompt i modulo {len(comparison.climbed.prompts)}.
- **Step sizes**: five for every method, a factor of two apart. By the same rule for all, the largest is taken whose
  mean reward "{held_out_key(comparison.watched)[10:]}" at the end of the budget, on the tuning noises, is within one
  standard error of the best.
- **Judged** is the best noise so far, by the target. ± is the wider side of a 95% bootstrap interval over noises.
  Realism errors are geometric means: their tail is so long that a mean would be that of the worst picture.
"""

    # Goals

    def goals(self) -> list[Goal]:
        if REFERENCE not in self.names or not self.baselines or not self.judges:
            return []
        found = [findings.goal_time(self.comparison, self.matched(REFERENCE))]
        if self.sound:
            found.append(findings.goal_overcooking(self.comparison, self.baselines, self.sound.limits))
        labels = {name: self.label(name) for name in self.names}
        found.append(findings.goal_fronts(self.gaps(REFERENCE), labels))
        found.append(findings.goal_projection(self._projection_share()))
        return found

    def matched(self, method: str) -> list[findings.MatchedTime]:
        """At the mean error of sound pictures and at their limit; where none are known, at twice the start's error."""
        judge = self.judges[0]
        if self.sound:
            limits = (self.sound.means[judge], self.sound.limits[judge])
        else:
            limits = (2 * geometric_mean(self.comparison.final(method).values[judge][0]).item(),)
        return [findings.matched_time(self.comparison, method, self.baselines, judge, limit) for limit in limits]

    def gaps(self, method: str) -> dict[tuple[str, str], findings.FrontGap]:
        """By baseline, and by the held-out reward of the tuning and the judges."""
        if method not in self._gaps:
            ours = findings.points(self.comparison, method)
            self._gaps[method] = {
                (name, key): findings.front_gap(ours, findings.points(self.comparison, name), key)
                for name in self.baselines for key in (held_out_key(self.comparison.watched), *self.judges)}
        return self._gaps[method]

    def _projection_share(self) -> float:
        return findings.projection_share(self.comparison)

    def _goals(self, goals: list[Goal]) -> str:
        if not goals:
            return ""
        rows = [(goal.letter, goal.text, "met" if goal.met else "missed", goal.evidence) for goal in goals]
        return "## Goals\n\n" + table(("", "goal, for GPER as in the paper", "", "measured"), rows)

    def _reading(self) -> str:
        """The part between the markers of the document that is there already."""
        text = ""
        if self.out.exists() and READING[0] in (old := self.out.read_text()):
            text = old.split(READING[0])[1].split(READING[1])[0].strip("\n")
        return f"{READING[0]}\n\n{text}\n\n{READING[1]}\n" if text else f"{READING[0]}\n{READING[1]}\n"

    # Tables

    def _main(self) -> str:
        comparison, budget = self.comparison, self.comparison.budget
        watched = (*self.held_out, *self.judges)
        head = ["method", "step size", "target", *(name.split(": ")[1] for name in watched)]
        first, second = [], []
        starts = {key: findings.interval(key, values[0])
                  for key, values in comparison.final(self.names[0]).values.items()}
        first.append(["start", "-", said(starts["target"]), *(said(starts[key]) for key in watched)])
        if self.sound:
            means = self.sound.means
            first.append(["sound pictures", "-", f"{means['target']:.2f}", *(f"{means[key]:.2f}" for key in watched)])
        for name in self.names:
            line = self.headlines[name]
            first.append([self.label(name), size_text(comparison.chosen(name)), said(line["target"]),
                          *(said(line[key]) for key in watched)])
            images, prompts = findings.final_pictures(comparison, name)
            distance = comparison.watched.feature_distance(images)
            curves = comparison.final(name)
            inside = [said(findings.share_inside(curves.at(key, budget), limit))
                      for key, limit in (self.sound.limits.items() if self.sound else ())]
            second.append([self.label(name), *inside, "-" if distance is None else f"{distance:.1f}",
                           f"{findings.diversity(images, prompts):.3f}", f"{line['relative_norm'].value:.2f}",
                           f"{line['spectral_flatness'].value:.2f}", f"{line['one_norm_deviation'].value:.2f}",
                           f"{line['excess_kurtosis'].value:+.2f}", f"{line['cosine_to_start'].value:.2f}",
                           f"{1e3 * comparison.step_seconds[name]:.1f}"])
        inside_names = [f"sound: {key.split(': ')[1]}" for key in self.judges] if self.sound else []
        text = f"## At equal time\n\n{comparison.plan.noises} noises, {budget:.2f} s for each. Held-out rewards: "
        text += "larger is better. Realism errors (after them): smaller is better.\n\n" + table(head, first)
        if self.sound:
            text += f"""
*Sound pictures* are what this world can do for the taste without leaving white noise: {self.sound.count} pictures, each
of the one of 4,096 white noises whose scene pleases the taste most, as read off the scene itself. A target above theirs
cannot be had honestly. A picture counts as sound for a judge while its error is below that of 97.5% of them
({', '.join(f'{name.split(": ")[1]}: {limit:.2f}' for name, limit in self.sound.limits.items())}).
"""
        text += "\n" + table(("method", *inside_names, "Frechet distance", "diversity", "norm / sqrt N", "flatness",
                               "1-norm", "kurtosis", "cosine to start", "ms per step"), second)
        text += """
*sound*: share of pictures within the limit. *Frechet distance* of the scene reader's features to those of painter
pictures, biased upwards for so few pictures, alike in all rows. *Diversity*: mean difference of two pictures of one
prompt, shrunk to 16 x 16. *Flatness* of the noise's spectrum over blocks of 16 (1: even; white noise 0.97), *1-norm*:
largest relative deviation of a block (white noise about 0.5, GPER's set 0), *kurtosis*: excess, 0 for white noise.
"""
        rows = {"start": self._pictures(self.names[0], start=True)}
        rows |= {self.label(name): findings.final_pictures(comparison, name, COLUMNS)[0] for name in self.names}
        draw_grid(rows).save(self.folder / "results.jpg", quality=88)
        return text + f"\n![Results of every method from the same noises]({self.folder.name}/results.jpg)\n"

    def _pictures(self, name: str, start: bool) -> torch.Tensor:
        curves = self.comparison.final(name)
        noise, prompts = findings.start_noise(self.comparison, COLUMNS) if start else (curves.noise, curves.prompts)
        return findings.pictures(self.comparison.watched, noise[:COLUMNS], list(prompts[:COLUMNS]))

    def steps(self, curves: Curves, name: str) -> list[int]:
        """At which the curves of a method are kept."""
        return (curves.seconds / self.comparison.step_seconds[name]).round().long().tolist()

    def _speed(self) -> str:
        comparison, budget = self.comparison, self.comparison.budget
        lines = {}
        for key in ("target", held_out_key(comparison.watched), *self.judges):
            lines[key] = [Line(name, self.label(name), curves.seconds.tolist(), findings.summary(
                key, curves.values[key]).tolist()) for name in self.names for curves in [comparison.final(name)]]
        panels = [Panel(title(key), "seconds per noise", of, log_y=key.startswith("judge"),
                        band=(0, self.sound.limits[key]) if self.sound and key in self.sound.limits else None)
                  for key, of in lines.items()]
        draw_panels(panels).save(self.folder / "over_time.png")
        text = "## Over time\n\n"
        if self.baselines:
            targets = {name: comparison.final(name).at("target", budget).mean().item() for name in self.baselines}
            best = max(targets, key=targets.__getitem__)
            judge = self.judges[0] if self.judges else None
            rows = []
            for name in self.names:
                curves = comparison.final(name)
                row = [self.label(name), said(findings.time_ratio(curves, targets[best], budget))]
                if judge:
                    error = geometric_mean(comparison.final(best).at(judge, budget)).item()
                    row.append(said(findings.time_ratio(curves, targets[best], budget, (judge, error))))
                    row.append(said(findings.time_ratio(curves, self.sound.means["target"], budget, (
                        judge, self.sound.limits[judge]))) if self.sound else "-")
                rows.append(row)
            text += f"""At the chosen step sizes, the share of the time budget after which the mean target is
- at {targets[best]:.2f}, where the best baseline ({self.label(best)}) ends,
- there, with no larger a mean realism error (autoencoder) than that baseline's,
- at the target of sound pictures, with a mean realism error within their limit.

{table(("method", "best baseline's target", "at matched realism", "sound pictures' target"), rows)}
The same question with every method at the step size that suits it best, from the tuning noises: the highest target that
a baseline reaches with a mean realism error (autoencoder) within a limit, and the time to it.

{self._matched_table()}
"""
        return text + f"![Scores over time]({self.folder.name}/over_time.png)\n"

    def _matched_table(self) -> str:
        rows = []
        for method in (REFERENCE, VARIANT):
            if method in self.names and self.judges:
                rows += [[self.label(method), f"{each.limit:.2f}", self.label(each.baseline), f"{each.target:.2f}",
                          f"{each.baseline_share:.2f}", said(each.ratio)] for each in self.matched(method)]
        return table(("method", "error limit", "best baseline", "its target", "its share of the budget",
                       "time of the method / the baseline's"), rows)

    def _fronts(self) -> str:
        watched = (held_out_key(self.comparison.watched), *self.judges)
        panels = []
        trial_names = [name for name in self.names if len(self.comparison.contenders[name].step_sizes) > 1]
        reached = {name: findings.points(self.comparison, name) for name in trial_names}
        for key in watched:
            lines = []
            for name in trial_names:
                gains, values = reached[name].means("target"), reached[name].means(key)
                kept = front(gains, values if key.startswith("judge") else -values)
                lines.append(Line(name, self.label(name), gains[kept].tolist(), values[kept].tolist(), dots=True))
            band = (0, self.sound.limits[key]) if self.sound and key in self.sound.limits else None
            mark = (self.sound.means["target"], self.sound.means[key], "sound pictures") if self.sound else None
            heading = f"{title(key)}, against the target"
            panels.append(Panel(heading, "target", lines, key.startswith("judge"), band, mark))
        if self.sound:
            most = 1.5 * self.sound.limits[self.judges[0]]
            low = self.sound.means["target"] - 1
            lines = [_within(line, low, most) for line in panels[1].lines]
            panels.insert(2, replace(panels[1], title="the same, where pictures are sound", lines=lines))
        draw_panels(panels).save(self.folder / "fronts.png")
        text = f"""## Fronts

What each method reached on the {self.comparison.plan.tuning_noises} tuning noises at any step size and any moment
within the budget, without the points that another point beats in both respects. Step size, time and protection trade
against each other; fronts do not depend on a choice of step size. The green band holds errors of sound pictures.

![Fronts]({self.folder.name}/fronts.png)
"""
        for method in (REFERENCE, VARIANT):
            if method not in self.names or not self.baselines:
                continue
            rows = [[self.label(name), key.split(": ")[1], said(gap.better), said(gap.median), said(gap.least),
                     said(gap.reach)] for (name, key), gap in self.gaps(method).items()]
            text += f"\n{self.label(method)} against the baselines:\n\n" + table(
                ("baseline", "judged by", "share of levels at or above", "median gap", "worst gap",
                 "reach in target"), rows)
        return text + """
*Gap*: by how much the front is above the baseline's at a level of the target that both reach: in units of the held-out
reward, or the ratio of realism errors less 1. *Reach*: difference of the highest mean targets.
"""

    def _figures(self, goals: list[Goal]) -> dict:
        comparison = self.comparison
        methods = {}
        for name in self.names:
            methods[name] = {
                "step_size": comparison.chosen(name), "seconds_per_step": comparison.step_seconds[name],
                "end": {key: [round(v, 4) for v in (value.value, value.low, value.high)]
                        for key, value in self.headlines[name].items()},
                "trials": {size_text(size): {key: [round(findings.summary(key, values).item(), 4)
                                              for values in curves.values[key]]
                                        for key in ("target", *self.held_out, *self.judges)}
                           for size, curves in comparison.trials(name).items()},
                "trial_steps": self.steps(next(iter(comparison.trials(name).values())), name),
            }
        sound: Sound | None = self.sound
        return {"subject": comparison.climbed.name, "plan": asdict(comparison.plan), "budget_s": comparison.budget,
                "torch": torch.__version__, "goals": [asdict(goal) for goal in goals],
                "sound": asdict(sound) if sound else None, "methods": methods}
