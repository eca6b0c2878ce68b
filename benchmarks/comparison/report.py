"""The document: tables and pictures of a comparison, and in between what was hand-written about an earlier run."""

from dataclasses import asdict
from pathlib import Path

import torch

from runs.whole_files import write_text_whole

from ..shared import table, write_json
from . import long_runs, sections
from .findings import Findings, summary
from .goals import Goal, goals
from .protocol import Comparison
from .words import short, size_text

READING = ("<!-- reading: written by hand, kept when the document is made again -->", "<!-- end of reading -->")


def write_report(comparison: Comparison, out: Path, with_ablations: bool, command: str) -> None:
    """Into `out` (a .md file), its pictures into a folder of that name, its figures into a .json file."""
    findings, folder = Findings(comparison), out.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    met = goals(findings)
    parts = [_opening(findings, command), _goals(met), _reading(out), sections.equal_time(findings, folder),
             long_runs.not_stopped(findings, folder), sections.over_time(findings, folder),
             sections.fronts(findings, folder), long_runs.left_running(findings)]
    if with_ablations:
        parts.append(long_runs.ablations(findings))
    write_text_whole(out, "\n".join(part for part in parts if part))
    write_json(out.with_suffix(".json"), _figures(findings, met))


def _opening(findings: Findings, command: str) -> str:
    comparison, plan = findings.comparison, findings.comparison.plan
    return f"""# The methods compared: {comparison.climbed.name}

Written by `{command}`; the numbers are those of that run. `benchmarks/comparison/` holds the parts.

- **Budget**: the time of {plan.steps} steps of unprotected ascent, {comparison.budget:.2f} s per noise; a search gets as many
  evaluations as fit in that time. Time is processor time of one thread where the machine is a CPU. What a step of each
  method costs was measured with the methods taking turns, and times are steps times that cost.
- **Noises**: {plan.noises} start noises for the comparison, {plan.tuning_noises} others for the choice of step sizes
  and the fronts; noise i has its own seed and the prompt i modulo {len(comparison.climbed.prompts)}.
- **Step sizes**: five for every method, a factor of two apart. By the same rule for all, the largest is taken whose
  mean reward "{short(findings.main)}" at the end of the budget, on the tuning noises, is within one
  standard error of the best.
- **Judged** is the best noise so far, by the target. ± is the wider side of a 95% bootstrap interval over noises.
  Realism errors are geometric means: their tail is so long that a mean would be that of the worst picture.
"""  # noqa: E501


def _goals(found: list[Goal]) -> str:
    rows = [(goal.letter, goal.text, "met" if goal.met else "missed", goal.evidence) for goal in found]
    head = ("", "goal, for GPER as in the paper", "", "measured")
    return f"## Goals\n\n{table(head, rows)}\n" if found else ""


def _reading(out: Path) -> str:
    """The part between the markers of the document that is there already."""
    text = ""
    if out.exists() and READING[0] in (old := out.read_text()):
        text = old.split(READING[0])[1].split(READING[1])[0].strip("\n")
    return f"{READING[0]}\n\n{text}\n\n{READING[1]}\n" if text else f"{READING[0]}\n{READING[1]}\n"


def _figures(findings: Findings, found: list[Goal]) -> dict:
    comparison, methods = findings.comparison, {}
    for name in findings.names:
        trials = comparison.trials(name)
        methods[name] = {
            "step_size": comparison.chosen(name),
            "seconds_per_step": comparison.step_seconds[name],
            "end": {key: [round(end, 4) for end in (value.value, value.low, value.high)]
                    for key, value in findings.headline(name).items()},
            "trials": {size_text(size): {key: summary(key, curves.values[key]).round(4).tolist()
                                         for key in findings.scores} for size, curves in trials.items()},
            "trial_steps": next(iter(trials.values())).steps,
        }
    return {"subject": comparison.climbed.name, "plan": asdict(comparison.plan), "budget_s": comparison.budget,
            "torch": torch.__version__, "goals": [asdict(goal) for goal in found],
            "sound": asdict(findings.sound) if findings.sound else None, "methods": methods}
