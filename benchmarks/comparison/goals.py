"""The goals that GPER was held to, and whether the runs meet them."""

from dataclasses import dataclass

from .contenders import REFERENCE
from .findings import Findings, median_picture
from .words import short, with_ends

TIME_RATIO, PROJECTION_SHARE, STEP_SIZE_RANGE = 0.3, 0.01, 10.0


@dataclass(frozen=True)
class Goal:
    """letter, text: of the goal. evidence: one sentence with numbers."""

    letter: str
    text: str
    met: bool
    evidence: str


def goals(findings: Findings) -> list[Goal]:
    """Those that can be told; none without GPER, a baseline and a judge."""
    if REFERENCE not in findings.names or not findings.baselines or not findings.judges:
        return []
    found = [_time(findings), _overcooking(findings), _fronts(findings), _projection(findings)]
    return [goal for goal in found if goal is not None]


def _time(findings: Findings) -> Goal:
    matched = findings.matched(REFERENCE)
    said = [f"with errors up to {each.limit:.2f}, {findings.labels[each.baseline]} gets highest, to "
            f"{each.target:.2f}; time ratio {with_ends(each.ratio)}" for each in matched]
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
    below = [f"below {labels[baseline]} on {short(name)} ({with_ends(gap.least)} at the worst level)"
             for (baseline, name), gap in gaps.items() if gap.least.high < 0]
    beyond = list(dict.fromkeys(labels[baseline] for (baseline, _), gap in gaps.items() if gap.reach.high < 0))
    worst = min((gap.least for gap in gaps.values()), key=lambda least: least.value)
    evidence = "; ".join(below) or ("nowhere below, beyond what the noises' scatter allows, at target levels that both "
                                    f"reach; the worst gap is {with_ends(worst)}")
    if beyond:
        evidence += f"; {', '.join(beyond)} can reach higher targets, which is counted apart"
    return Goal("c", "the front (target against realism, target against an independent held-out judge) is nowhere "
                "below a baseline's", not below, evidence)


def _projection(findings: Findings) -> Goal:
    share = findings.projection_share()
    return Goal("d", "projection below 1% of a step", share < PROJECTION_SHARE,
                f"{100 * share:.2f}% of a step of the demo world, gradient and latent together")
