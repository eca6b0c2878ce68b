"""The document: tables and pictures of a comparison, and in between what was hand-written about an earlier run."""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from runs.whole_files import write_text_whole

from ..shared import table, write_json
from .contenders import REFERENCE
from .findings import Findings, median_picture, short, size_text, summary
from .protocol import Comparison
from .sections import PARTS, ablations, equal_time, fronts, left_running, not_stopped, over_time

READING = ("<!-- reading: written by hand, kept when the document is made again -->", "<!-- end of reading -->")
TIME_RATIO, PROJECTION_SHARE, STEP_SIZE_RANGE = 0.3, 0.01, 10.0


def write_report(comparison: Comparison, out: Path, with_ablations: bool, command: str) -> None:
    """Into `out` (a .md file), its pictures into a folder of that name, its figures into a .json file."""
    findings, folder = Findings(comparison), out.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    met = goals(findings)
    parts = [
        PARTS["opening"].format(subject=comparison.climbed.name, command=command, plan=comparison.plan,
                                budget=comparison.budget, prompts=len(comparison.climbed.prompts),
                                main=short(findings.main)),
        _goals(met), _reading(out), equal_time(findings, folder), not_stopped(findings, folder),
        over_time(findings, folder), fronts(findings, folder), left_running(findings),
    ]
    if with_ablations:
        parts.append(ablations(findings))
    write_text_whole(out, "\n".join(part for part in parts if part))
    write_json(out.with_suffix(".json"), _figures(findings, met))


def _reading(out: Path) -> str:
    """The part between the markers of the document that is there already."""
    text = ""
    if out.exists() and READING[0] in (old := out.read_text()):
        text = old.split(READING[0])[1].split(READING[1])[0].strip("\n")
    return f"{READING[0]}\n\n{text}\n\n{READING[1]}\n" if text else f"{READING[0]}\n{READING[1]}\n"


def _figures(findings: Findings, found: "list[Goal]") -> dict:
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


@dataclass(frozen=True)
class Goal:
    """What GPER was held to, and whether the runs meet it. evidence: one sentence with numbers."""

    letter: str
    text: str
    met: bool
    evidence: str


def _goals(found: list[Goal]) -> str:
    rows = [(goal.letter, goal.text, "met" if goal.met else "missed", goal.evidence) for goal in found]
    head = ("", "goal, for GPER as in the paper", "", "measured")
    return PARTS["goals"].format(table=table(head, rows)) if found else ""


def goals(findings: Findings) -> list[Goal]:
    """Those that can be told; none without GPER, a baseline and a judge."""
    if REFERENCE not in findings.names or not findings.baselines or not findings.judges:
        return []
    found = [_time(findings), _overcooking(findings), _fronts(findings), _projection(findings)]
    return [goal for goal in found if goal is not None]


def _time(findings: Findings) -> Goal:
    matched = findings.matched(REFERENCE)
    said = [f"with errors up to {each.limit:.2f}, {findings.labels[each.baseline]} gets highest, to "
            f"{each.target:.2f}; time ratio {each.ratio.with_ends()}" for each in matched]
    return Goal("a", "at matched realism, the best baseline's target reward in at most 30% of its time, every method "
                "at its best step size", all(each.ratio.value <= TIME_RATIO for each in matched), "; ".join(said))


def _overcooking(findings: Findings) -> Goal | None:
    if findings.sound is None:
        return None
    comparison, limits = findings.comparison, findings.sound.limits

    def inside(name: str) -> list[float | None]:
        """Step sizes whose median picture is sound to every judge."""
        return [size for size, curves in comparison.trials(name).items()
                if all(median_picture(curves.values[judge][-1]) <= limit for judge, limit in limits.items())]

    kept = inside(REFERENCE)
    others = {name: len(inside(name)) for name in findings.baselines if name in comparison.plan.long_trials}
    span = max(kept) / min(kept) if kept else 0.0
    counts = ", ".join(f"{findings.labels[name]} at {count}" for name, count in others.items())
    sizes = ", ".join(f"{size:g}" for size in kept) or "none"
    return Goal("b", "after the longest trials, realism inside the interval of optimized but sound pictures, where the "
                "baselines' is not, over a tenfold range of step sizes",
                span >= STEP_SIZE_RANGE and not any(others.values()),
                f"the median picture is inside for both judges at {len(kept)} of {len(comparison.trials(REFERENCE))} "
                f"step sizes ({sizes}); {counts or 'no baseline was run as long'}")


def _fronts(findings: Findings) -> Goal:
    """Below: the 95% interval of the worst gap lies below zero as a whole."""
    labels, gaps = findings.labels, findings.gaps(REFERENCE)
    below = [f"below {labels[baseline]} on {short(name)} ({gap.least.with_ends()} at the worst level)"
             for (baseline, name), gap in gaps.items() if gap.least.high < 0]
    beyond = list(dict.fromkeys(labels[baseline] for (baseline, _), gap in gaps.items() if gap.reach.high < 0))
    worst = min((gap.least for gap in gaps.values()), key=lambda least: least.value)
    evidence = "; ".join(below) or ("nowhere below, beyond what the noises' scatter allows, at target levels that both "
                                    f"reach; the worst gap is {worst.with_ends()}")
    if beyond:
        evidence += f"; {', '.join(beyond)} can reach higher targets, which is counted apart"
    return Goal("c", "the front (target against realism, target against an independent held-out judge) is nowhere "
                "below a baseline's", not below, evidence)


def _projection(findings: Findings) -> Goal:
    share = findings.projection_share()
    return Goal("d", "projection below 1% of a step", share < PROJECTION_SHARE,
                f"{100 * share:.2f}% of a step of the demo world, gradient and latent together")
