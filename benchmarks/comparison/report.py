"""The document: tables and pictures of a comparison, and in between what was hand-written about an earlier run."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from runs.whole_files import write_text_whole

from ..shared import table, template, write_json
from .contenders import (
    BASELINES,
    EFFORT_RUNS,
    LONGER,
    METHODS,
    OURS,
    REFERENCE,
    SEARCHES,
    SHIPPED,
    WAYS,
)
from .drawings import Panel, draw_grid, draw_panels
from .findings import Findings, diversity, median_picture, short, size_text, summary, title
from .goals import Goal, goals
from .statistics import bootstrap_mean, front

logger = logging.getLogger(__name__)

READING = ("<!-- reading: written by hand, kept when the document is made again -->", "<!-- end of reading -->")
PARTS = template(Path(__file__).with_name("document.md"))
COLUMNS = 8  # pictures in a row of a grid
SHORT = EFFORT_RUNS[OURS].label
SHOWN = ("none", "prno", "prno-both", "local-search", REFERENCE, "effort-quick", OURS, LONGER)


def write_report(found: Sequence[Findings], out: Path, command: str) -> None:
    """Into `out` (a .md file), its pictures into a folder of that name, its figures into a .json file.

    found: of every size.
    """
    folder = out.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    answers = [goals(findings) for findings in found]
    figures = [_figures(findings, of) for findings, of in zip(found, answers, strict=True)]
    parts = [_opening(found, answers), reading(out, figures), _efforts(found), _equal_time(found, folder),
             _fronts(found, folder), _left_running(found, folder), _method(found, out, command)]
    write_text_whole(out, "\n".join(part for part in parts if part))
    write_json(out.with_suffix(".json"), figures)


def _of_sizes(found: Sequence[Findings], value: Callable[[Findings], object]) -> str:
    """Once where it is the same for all."""
    return " / ".join(dict.fromkeys(str(value(findings)) for findings in found))


def _opening(found: Sequence[Findings], answers: Sequence[list[Goal]]) -> str:
    default = (f"the best of {SHIPPED.seeds_first} seeds, then GPER with {SHIPPED.step_rule} steps that stay within "
               f"strength {SHIPPED.strength:g}")
    by_size = [{goal.letter: goal for goal in of} for of in answers]
    texts = {letter: goal.text for of in by_size for letter, goal in of.items()}
    rows = [(letter, text, *(f"**{of[letter].verdict}**: {of[letter].evidence}" if letter in of else ""
                             for of in by_size)) for letter, text in texts.items()]
    head = ("", "goal", *(f"{findings.size} px, N = {np.prod(findings.comparison.climbed.latent_shape):,}"
                          for findings in found))
    sound = " " + PARTS["sound_word"].strip() if found[0].sound else ""
    return PARTS["opening"].format(subject=found[0].comparison.climbed.name, default=default, sound=sound,
                                   answers=table(head, rows) if rows else "")


def reading(out: Path, figures: list[dict]) -> str:
    """The part between the markers of the document that is there already, if it was written of the same figures; else
    it goes into a file of its own."""
    text, told = "", out.with_suffix(".json")
    if out.exists() and READING[0] in (old := out.read_text()):
        text = old.split(READING[0])[1].split(READING[1])[0].strip("\n")
    if text and (not told.exists() or json.dumps(json.loads(told.read_text())) != json.dumps(figures)):
        aside = out.with_name(f"{out.stem}_earlier_reading.md")
        write_text_whole(aside, text + "\n")
        logger.warning("the reading in %s was of other figures: it is in %s now", out.name, aside.name)
        text = ""
    return f"{READING[0]}\n\n{text}\n\n{READING[1]}\n" if text else f"{READING[0]}\n{READING[1]}\n"


def _efforts(found: Sequence[Findings]) -> str:
    rows, sound = [], None
    for findings in found:
        names = [name for name in EFFORT_RUNS if name in findings.contenders]
        starts = {key: values[0] for key, values in findings.comparison.final(names[0]).values.items()} if names else {}
        rows += [[f"{findings.size} px", "start", "0", *(f"{summary(key, starts[key]):.2f}" for key in findings.scores),
                  *([f"{findings.are_sound(starts).mean():.0%}"] if findings.sound else []), "", ""]] if names else []
        for name in names:
            end, curves = findings.end(name), findings.comparison.final(name)
            white = curves.values["white"][-1]
            rows.append(["", findings.labels[name], f"{curves.seconds[-1] / findings.comparison.reference_seconds:.0f}",
                         *(str(end[key]) for key in findings.scores),
                         *([f"{end['sound'].value:.0%}"] if findings.sound else []),
                         f"{end['excess_kurtosis'].value:+.2f}", f"{white.sum():.0f} of {len(white)}"])
        if sound := findings.sound:
            rows.append(["", "sound pictures", "", *(f"{sound.means[key]:.2f}" for key in findings.scores), "", "", ""])
    if not rows:
        return ""
    head = ("", "effort", "time", *map(short, found[0].scores), *(["sound"] if sound else []), "kurtosis", "white")
    explained = PARTS["sound_pictures"].format(count=sound.count) if sound else ""
    return PARTS["efforts"].format(table=table(head, rows)) + explained


def _equal_time(found: Sequence[Findings], folder: Path) -> str:
    tables = ""
    for findings in found:
        names = [name for name in findings.contenders if name not in EFFORT_RUNS]
        ends = {name: findings.comparison.final(name) for name in names}
        best = max(names, key=lambda name: ends[name].values[findings.main][-1].mean())

        def cell(name: str, findings=findings, ends=ends, best=best) -> str:
            if name not in ends:
                return ""
            end = findings.end(name)
            behind = bootstrap_mean(ends[best].values[findings.main][-1] - ends[name].values[findings.main][-1])
            held_out = f"**{end[findings.main]}**" if behind.low <= 0 else str(end[findings.main])
            sound = f" / {end['sound'].value:.0%}" if findings.sound else ""
            return f"{end['target'].value:.2f} / {held_out}{sound}"

        ways = [way for way in WAYS if any(name.endswith(f"-{way}") for name in names) or way == "plain"]
        methods = dict.fromkeys(findings.contenders[name].method for name in names)
        rows = [[METHODS[method].label, *(cell(method if way == "plain" else f"{method}-{way}") for way in ways)]
                for method in methods]
        head = (f"{findings.size} px, {findings.plan.noises} noises", *(WAYS[way].label for way in ways))
        tables += table(head, rows) + "\n\n"
        rows = {"start": findings.pictures(*findings.start_noise(COLUMNS), COLUMNS)}
        rows |= {findings.labels[name]: findings.pictures(curves.noise, curves.prompts, COLUMNS)
                 for name in SHOWN if name in findings.contenders for curves in [findings.comparison.final(name)]}
        draw_grid(rows, folder / f"results_{findings.size}.jpg")
    shown = _shown(found, "What each method makes of the same noises", f"{folder.name}/results")
    return PARTS["equal_time"].format(steps=_of_sizes(found, lambda of: of.plan.steps), short=SHIPPED.steps,
                                      sound=" / sound" if found[0].sound else "", tables=tables, pictures=shown)


def _fronts(found: Sequence[Findings], folder: Path) -> str:
    panels, rows = [], []
    for findings in found:
        sound = findings.sound
        families = {**{name: [name] for name in (*BASELINES, REFERENCE, *SEARCHES) if name in findings.contenders},
                    **{f"{name}-helped": names for name, names in findings.rivals(True).items() if names != [name]},
                    **({OURS: findings.ours} if OURS in findings.contenders else {})}
        for key in (findings.main, *findings.judges[:1]):
            judged, lines = key in findings.judges, {}
            for name, members in families.items():
                points = findings.points(*members)
                gains, values = points.means("target"), points.means(key)
                kept = front(gains, values if judged else -values)
                label = SHORT if name == OURS else METHODS[name.removesuffix("-helped")].label
                lines[name] = label + ", helped" * name.endswith("-helped"), gains[kept], values[kept]
            panels.append(Panel(
                f"{findings.size} px: {title(key)}, against the target", "target", lines, log_y=judged, dots=True,
                sound=sound.limits.get(key) if sound else None,
                mark=(sound.means["target"], sound.means[key]) if sound else None,
                window=(sound.means["target"] - 2, 2 * sound.limits[key]) if sound and judged else None))
        rows += [[f"{findings.size} px", "helped" if helped else "as published", f"{each.limit:.2f}",
                  *((METHODS[each.rival].label, f"{each.target:.2f}",
                     f"{each.seconds / findings.comparison.reference_seconds:.0f}", each.ratio.with_ends())
                    if each.rival_climbs else ("none climbs", "", "", ""))]
                 for helped in (False, True) if findings.ours and findings.rivals(helped) and findings.judges
                 for each in findings.matched(helped)]
    draw_panels(panels, folder / "fronts.png")
    head = ("", "baselines", "error limit", "best one", "its target", "its time", "the default's over it")
    limits = PARTS["limits" if found[0].sound else "limits_unknown"].strip()
    return PARTS["fronts"].format(folder=folder.name, limits=limits, matched=table(head, rows) if rows else "")


def _left_running(found: Sequence[Findings], folder: Path) -> str:
    rows = []
    for findings in found:
        grid = {}
        for name, factor in findings.long_runs if findings.sound else ():
            shipped = findings.contenders[name].recipe.learning_rate(findings.comparison.climbed.learning_rate)
            run, ends = findings.comparison.long_run(name, factor), findings.long_end(name, factor)
            label = f"{SHORT if name == OURS else METHODS[name].label}, {factor * shipped:.2g}"
            rows.append([f"{findings.size} px", label, f"{ends['target'].mean():.2f}",
                         f"{ends[findings.main].mean():.2f}",
                         *(f"{median_picture(ends[key]):.2f}" for key in findings.judges),
                         f"{findings.are_sound(ends).mean():.0%}", f"{ends['excess_kurtosis'].mean():+.2f}",
                         f"{ends['white'].sum():.0f} of {len(ends['white'])}"])
            grid[label] = findings.pictures(run.noise, run.prompts, COLUMNS)
        if grid:
            draw_grid(grid, folder / f"left_running_{findings.size}.jpg")
    if not rows:
        return ""
    head = ("", "recipe, step size", "target", "held out", *map(short, found[0].judges), "sound", "kurtosis",
            "white")
    limits = "; ".join(", ".join(f"{limit:.2f}" for limit in findings.sound.limits.values()) for findings in found)
    return PARTS["left_running"].format(steps=_of_sizes(found, lambda of: of.plan.long_steps), limits=limits,
                                        table=table(head, rows),
                                        pictures=_shown(found, "Ascents not stopped", f"{folder.name}/left_running"))


def _shown(found: Sequence[Findings], what: str, path: str) -> str:
    return "\n".join(f"![{what}, {findings.size} px]({path}_{findings.size}.jpg)" for findings in found)


def _method(found: Sequence[Findings], out: Path, command: str) -> str:
    plans = "; ".join(f"{findings.size} px: {findings.plan.noises} noises, {findings.plan.long_noises} left running"
                      for findings in found)
    seconds = ", ".join(f"{findings.comparison.reference_seconds:.3f} s at {findings.size} px" for findings in found)
    tuned = found[0].comparison.tuned or found[0].comparison
    strengths = ", ".join(f"{strength:g}" for strength in tuned.plan.strengths)
    return PARTS["method"].format(
        command=command, plans=f"Noises: {plans}. Noise i has its own seed and a prompt of its own in turn.",
        seconds=seconds, tuned=tuned.climbed.size, tuning=tuned.plan.tuning_noises, main=short(found[0].main),
        sizes=tuned.plan.step_sizes, strengths=strengths, json=out.with_suffix(".json").name)


def _figures(findings: Findings, answers: list[Goal]) -> dict:
    comparison, runs = findings.comparison, {}
    for name, contender in findings.contenders.items():
        curves, (strength, size) = comparison.final(name), comparison.chosen(name)
        images = findings.pictures(curves.noise, curves.prompts)
        runs[name] = {
            "strength": strength if contender.stays_near else None, "step_size": size_text(size),
            "steps": comparison.steps(name), "seconds": curves.seconds[-1],
            "diversity": diversity(images, curves.prompts),
            "frechet_distance": comparison.watched.feature_distance(images),
            "end": {key: [round(end, 4) for end in (value.value, value.low, value.high)]
                    for key, value in findings.end(name).items()}}
    return {"subject": comparison.climbed.name, "size": findings.size, "plan": asdict(findings.plan),
            "budget_s": comparison.budget, "torch": torch.__version__,
            "goals": [asdict(goal) for goal in answers],
            "sound": asdict(findings.sound) if findings.sound else None, "contenders": runs}
