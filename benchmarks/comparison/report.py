"""The document: tables and pictures of a comparison, and in between what was hand-written about an earlier run."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from . import findings
from .contenders import ABLATIONS, BASELINES, REFERENCE, VARIANT
from .drawings import Line, Panel, draw_grid, draw_panels
from .findings import Goal, Sound
from .protocol import Comparison, held_out_key
from .statistics import Interval, front, geometric_mean

READING = ("<!-- reading: written by hand, kept when the document is made again -->", "<!-- end of reading -->")
COLUMNS = 8  # pictures in a row of a grid
MARKS = (0, 22, 52, 92, 200)  # steps of the trials that are shown in tables and pictures


def _said(value: Interval, form: str = ".2f") -> str:
    """`1.23 ± 0.10`, the wider side of the interval."""
    if not math.isfinite(value.value):
        return "never"
    side = max(value.value - value.low, value.high - value.value)
    return f"{value.value:{form}} ± {side:{form}}" if math.isfinite(side) else f"{value.value:{form}} (not always)"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _title(key: str) -> str:
    kind, _, name = key.partition(": ")
    return {"judge": f"realism error ({name})", "held out": f"held-out reward ({name})"}.get(kind, key).replace(
        " (held out)", "")


def _size(size: float | None) -> str:
    return "-" if size is None else f"{size:g}"


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
        sections = [self._opening(), self._goals(goals), self._reading(), self._main(), self._question(),
                    self._speed(), self._fronts(), self._overcooking()]
        if self.with_ablations:
            sections.append(self._ablations())
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
        return "## Goals\n\n" + _table(("", "goal, for GPER as in the paper", "", "measured"), rows)

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
        first.append(["start", "-", _said(starts["target"]), *(_said(starts[key]) for key in watched)])
        if self.sound:
            means = self.sound.means
            first.append(["sound pictures", "-", f"{means['target']:.2f}", *(f"{means[key]:.2f}" for key in watched)])
        for name in self.names:
            line = self.headlines[name]
            first.append([self.label(name), _size(comparison.chosen(name)), _said(line["target"]),
                          *(_said(line[key]) for key in watched)])
            images, prompts = findings.final_pictures(comparison, name)
            distance = comparison.watched.feature_distance(images)
            curves = comparison.final(name)
            inside = [_said(findings.share_inside(curves.at(key, budget), limit))
                      for key, limit in (self.sound.limits.items() if self.sound else ())]
            second.append([self.label(name), *inside, "-" if distance is None else f"{distance:.1f}",
                           f"{findings.diversity(images, prompts):.3f}", f"{line['relative_norm'].value:.2f}",
                           f"{line['spectral_flatness'].value:.2f}", f"{line['one_norm_deviation'].value:.2f}",
                           f"{line['excess_kurtosis'].value:+.2f}", f"{line['cosine_to_start'].value:.2f}",
                           f"{1e3 * comparison.step_seconds[name]:.1f}"])
        inside_names = [f"sound: {key.split(': ')[1]}" for key in self.judges] if self.sound else []
        text = f"## At equal time\n\n{comparison.plan.noises} noises, {budget:.2f} s for each. Held-out rewards: "
        text += "larger is better. Realism errors (after them): smaller is better.\n\n" + _table(head, first)
        if self.sound:
            text += f"""
*Sound pictures* are what this world can do for the taste without leaving white noise: {self.sound.count} pictures, each
of the one of 4,096 white noises whose scene pleases the taste most, as read off the scene itself. A target above theirs
cannot be had honestly. A picture counts as sound for a judge while its error is below that of 97.5% of them
({', '.join(f'{name.split(": ")[1]}: {limit:.2f}' for name, limit in self.sound.limits.items())}).
"""
        text += "\n" + _table(("method", *inside_names, "Frechet distance", "diversity", "norm / sqrt N", "flatness",
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

    def _question(self) -> str:
        """Whether the world lets a reward be hacked at all."""
        long = [name for name in ("none", REFERENCE) if name in self.comparison.plan.long_trials and name in self.names]
        if not long:
            return ""
        keys = ("target", *self.held_out, *self.judges)
        rows, grid, captions = [], {}, []
        for name in long:
            trials = self.comparison.trials(name)
            for size in (self.comparison.chosen(name), max(trials)):
                curves, steps = trials[size], self._steps(trials[size], name)
                for mark in MARKS:
                    if mark not in steps:
                        continue
                    values = {key: curves.values[key][steps.index(mark)] for key in keys}
                    rows.append([f"{self.label(name)}, {_size(size)}", str(mark),
                                 *(f"{findings.summary(key, values[key]).item():.2f}" for key in keys)])
                row = f"{self.label(name)}, step size {_size(size)}, {steps[-1]} steps"
                grid[row] = findings.pictures(self.comparison.watched, curves.noise[:COLUMNS],
                                              list(curves.prompts[:COLUMNS]))
                captions.append([f"{target:.1f} / {held:.1f}" for target, held in zip(
                    curves.values["target"][-1][:COLUMNS].tolist(),
                    curves.values[held_out_key(self.comparison.watched)][-1][:COLUMNS].tolist(), strict=True)])
        draw_grid(grid, captions).save(self.folder / "not_stopped.jpg", quality=88)
        head = ("method, step size", "steps", "target", *(key.split(": ")[1] for key in keys[1:]))
        return f"""## Can the question be asked in this world?

The tuning noises, at the chosen step size and at the largest one, not stopped at the budget. Below, the pictures at the
end, with target / held-out reward.

{_table(head, rows)}
![Pictures of ascents that were not stopped]({self.folder.name}/not_stopped.jpg)
"""

    def _steps(self, curves, name: str) -> list[int]:
        return (curves.seconds / self.comparison.step_seconds[name]).round().long().tolist()

    def _speed(self) -> str:
        comparison, budget = self.comparison, self.comparison.budget
        lines = {}
        for key in ("target", held_out_key(comparison.watched), *self.judges[:1]):
            lines[key] = [Line(name, self.label(name), curves.seconds.tolist(), findings.summary(
                key, curves.values[key]).tolist()) for name in self.names for curves in [comparison.final(name)]]
        panels = [Panel(_title(key), "seconds per noise", of, log_y=key.startswith("judge"),
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
                row = [self.label(name), _said(findings.time_ratio(curves, targets[best], budget))]
                if judge:
                    error = geometric_mean(comparison.final(best).at(judge, budget)).item()
                    row.append(_said(findings.time_ratio(curves, targets[best], budget, (judge, error))))
                    row.append(_said(findings.time_ratio(curves, self.sound.means["target"], budget, (
                        judge, self.sound.limits[judge]))) if self.sound else "-")
                rows.append(row)
            text += f"""At the chosen step sizes, the share of the time budget after which the mean target is
- at {targets[best]:.2f}, where the best baseline ({self.label(best)}) ends,
- there, with no larger a mean realism error (autoencoder) than that baseline's,
- at the target of sound pictures, with a mean realism error within their limit.

{_table(("method", "best baseline's target", "at matched realism", "sound pictures' target"), rows)}
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
                          f"{each.baseline_share:.2f}", _said(each.ratio)] for each in self.matched(method)]
        return _table(("method", "error limit", "best baseline", "its target", "its share of the budget",
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
            title = f"{_title(key)}, against the target"
            panels.append(Panel(title, "target", lines, key.startswith("judge"), band, mark))
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
            rows = [[self.label(name), key.split(": ")[1], _said(gap.better), _said(gap.median), _said(gap.least),
                     _said(gap.reach)] for (name, key), gap in self.gaps(method).items()]
            text += f"\n{self.label(method)} against the baselines:\n\n" + _table(
                ("baseline", "judged by", "share of levels at or above", "median gap", "worst gap",
                 "reach in target"), rows)
        return text + """
*Gap*: by how much the front is above the baseline's at a level of the target that both reach: in units of the held-out
reward, or the ratio of realism errors less 1. *Reach*: difference of the highest mean targets.
"""

    def _overcooking(self) -> str:
        if not self.sound:
            return ""
        rows = []
        for name in self.names:
            if name not in self.comparison.plan.long_trials:
                continue
            for size, curves in self.comparison.trials(name).items():
                rows.append([self.label(name), _size(size), f"{curves.values['target'][-1].mean():.2f}",
                             f"{curves.values[held_out_key(self.comparison.watched)][-1].mean():.2f}",
                             *(f"{curves.values[key][-1].median():.2f}" for key in self.judges),
                             *(f"{findings.share_inside(curves.values[key][-1], self.sound.limits[key]).value:.2f}"
                               for key in self.judges)])
        if not rows:
            return ""
        names = [key.split(": ")[1] for key in self.judges]
        limits = ", ".join(f"{self.sound.limits[key]:.2f}" for key in self.judges)
        return f"""## Left running

After {self.comparison.plan.tuning_steps} steps, on the tuning noises: the median picture's errors (limits of sound
pictures: {limits}) and the share of pictures within the limits.

{_table(("method", "step size", "target", "held out", *(f"median: {name}" for name in names),
         *(f"sound: {name}" for name in names)), rows)}"""

    def _ablations(self) -> str:
        keys = ("target", *self.held_out, *self.judges)
        comparison = self.comparison
        rows = []
        for contender in ABLATIONS.values():
            curves = comparison.ablation(contender)
            rows.append([contender.label, contender.optimizer, _size(contender.step_sizes[0]),
                         *(_said(findings.interval(key, curves.values[key][-1])) for key in keys),
                         f"{curves.values['cosine_to_start'][-1].mean():.2f}",
                         *self._at_level(curves, findings.ABLATION_LEVEL)])
        head = ("GPER with", "optimizer", "step size", "target", *(key.split(": ")[1] for key in keys[1:]), "cosine",
                f"steps to target {findings.ABLATION_LEVEL:g}", "held out there", "autoencoder there")
        return f"""## Ablations

GPER with one thing changed, {comparison.plan.steps} steps on the tuning noises. A change that slows the ascent looks
better at the end than it is: the last three columns compare at one level of the target.

{_table(head, rows)}"""

    def _at_level(self, curves, level: float) -> list[str]:
        moment = findings.time_to(curves.seconds, curves.values["target"].mean(1), level)
        if not math.isfinite(moment):
            return ["never", "-", "-"]
        steps = moment / self.comparison.step_seconds[REFERENCE]
        held = curves.at(held_out_key(self.comparison.watched), moment).mean().item()
        error = geometric_mean(curves.at(self.judges[0], moment)).item()
        return [f"{steps:.0f}", f"{held:.2f}", f"{error:.2f}"]

    def _figures(self, goals: list[Goal]) -> dict:
        comparison = self.comparison
        methods = {}
        for name in self.names:
            methods[name] = {
                "step_size": comparison.chosen(name), "seconds_per_step": comparison.step_seconds[name],
                "end": {key: [round(v, 4) for v in (value.value, value.low, value.high)]
                        for key, value in self.headlines[name].items()},
                "trials": {_size(size): {key: [round(findings.summary(key, values).item(), 4)
                                              for values in curves.values[key]]
                                        for key in ("target", *self.held_out, *self.judges)}
                           for size, curves in comparison.trials(name).items()},
                "trial_steps": self._steps(next(iter(comparison.trials(name).values())), name),
            }
        sound: Sound | None = self.sound
        return {"subject": comparison.climbed.name, "plan": asdict(comparison.plan), "budget_s": comparison.budget,
                "torch": torch.__version__, "goals": [asdict(goal) for goal in goals],
                "sound": asdict(sound) if sound else None, "methods": methods}
