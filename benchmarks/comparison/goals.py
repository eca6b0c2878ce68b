"""What the default recipe was held to, and whether the runs meet it."""

import math
from dataclasses import dataclass

from .contenders import OURS, REFERENCE
from .findings import Findings, median_picture, short

TIME_RATIO = 0.3
RANGE = (10**-0.5, 1.0, 10**0.5)  # times the step size that ships
WHITE_DEVIATIONS = 2.0  # of the mean excess kurtosis, in those of one white noise


@dataclass(frozen=True)
class Goal:
    """evidence: a few words with numbers."""

    letter: str
    text: str
    met: bool
    evidence: str


def goals(findings: Findings) -> list[Goal]:
    """Those that can be told; none without the default recipe, a baseline and a judge."""
    if OURS not in findings.contenders or not findings.rivals(False) or not findings.judges:
        return []
    found = [_time("a", "the best baseline's target at matched realism in at most 30% of its time", findings, False),
             _time("a*", "the same, every baseline helped alike", findings, True)]
    if findings.sound:
        found.append(_left_running(findings))
    return [*found,
            _fronts("c", "fronts nowhere below a baseline's or a search's", findings, False),
            _fronts("c*", "the same, every baseline helped alike", findings, True),
            _held_out("d", "the highest held-out reward in the end", findings, False),
            _held_out("d*", "the same, every baseline helped alike", findings, True),
            _white(findings)]


def _time(letter: str, text: str, findings: Findings, helped: bool) -> Goal:
    matched = findings.matched(helped)
    said = [f"{each.ratio.with_ends()} of {findings.labels[each.rival]}'s" for each in matched]
    return Goal(letter, text, all(each.ratio.value <= TIME_RATIO for each in matched), "; ".join(said))


def _left_running(findings: Findings) -> Goal:
    """Of the median picture."""
    def sound(name: str) -> list[bool]:
        runs = [findings.comparison.long_run(name, factor) for factor in RANGE]
        return [all(median_picture(run.values[judge][-1]) <= limit for judge, limit in findings.sound.limits.items())
                for run in runs]

    ours = sound(OURS)
    published = f"; as published at {sum(sound(REFERENCE))}" if REFERENCE in findings.contenders else ""
    return Goal("b", f"after {findings.plan.long_steps} steps the median picture sound for both judges, over a tenfold "
                "range of step sizes", all(ours), f"at {sum(ours)} of {len(ours)}{published}")


def _fronts(letter: str, text: str, findings: Findings, helped: bool) -> Goal:
    """Below: the 95% interval of the worst gap lies below zero as a whole."""
    gaps = findings.gaps(helped)
    below = [f"below {findings.labels[method]} ({short(key)}, {gap.least.value:+.2f})"
             for (method, key), gap in gaps.items() if gap.least.high < 0]
    worst = min((gap.least for gap in gaps.values()), key=lambda least: least.value)
    return Goal(letter, text, not below, "; ".join(below) or f"worst gap {worst.with_ends()}")


def _held_out(letter: str, text: str, findings: Findings, helped: bool) -> Goal:
    gain = findings.gain(helped)
    return Goal(letter, text, gain.difference.value >= 0,
                f"{gain.difference.value:+.2f} [{gain.difference.low:+.2f}, {gain.difference.high:+.2f}] over "
                f"{findings.labels[gain.over]}")


def _white(findings: Findings) -> Goal:
    comparison = findings.comparison
    default = "effort-balanced" if "effort-balanced" in findings.contenders else OURS
    runs = (comparison.final(default), comparison.long_run(OURS, 1.0))
    allowed = WHITE_DEVIATIONS * math.sqrt(24 / math.prod(comparison.climbed.latent_shape))
    white = [run.values["white"][-1] for run in runs]
    kurtosis = [run.values["excess_kurtosis"][-1].mean() for run in runs]
    met = all(found.all() for found in white) and bool(max(map(abs, kurtosis)) <= allowed)
    counts = " and ".join(f"{found.sum():.0f} of {len(found)}" for found in white)
    return Goal("e", f"Noise Statistics calls the noise white, after the default's steps and after "
                f"{findings.plan.long_steps}", met,
                f"{counts}; excess kurtosis {kurtosis[0]:+.2f} and {kurtosis[1]:+.2f} (white: within {allowed:.2f})")
