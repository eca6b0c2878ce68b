"""What the default recipe is held to, and whether the runs meet it: the effort "balanced" as it ships, and longer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .contenders import LONGER, METHODS, OURS, REFERENCE, SHIPPED
from .findings import Findings, FrontGap, Gain, MatchedTime, median_picture, short
from .statistics import Interval

TIME_RATIO = 0.3
WHITE_DEVIATIONS = 2.0  # of the mean excess kurtosis, in those of the mean over as many white noises
ALIKE = "the same against the gradient methods with the same help"


@dataclass(frozen=True)
class Goal:
    """met: None where an interval holds both answers. evidence: a few words with numbers."""

    letter: str
    text: str
    met: bool | None
    evidence: str

    @property
    def verdict(self) -> str:
        return {True: "met", False: "missed", None: "undecided"}[self.met]


def goals(findings: Findings) -> list[Goal]:
    """Those that can be told; none without the default recipe, a published baseline and a judge."""
    if findings.ours != [OURS, LONGER] or not findings.rivals(False) or not findings.judges:
        return []
    steps, ends = findings.plan.long_steps, {run: findings.long_end(*run) for run in findings.long_runs}
    found = [_time("a", f"the best baseline's target at matched realism in at most {TIME_RATIO:.0%} of its time",
                   findings.matched(False)),
             _time("a*", ALIKE, findings.matched(True))]
    if findings.sound:
        by_name = {name: [end for (other, _), end in ends.items() if other == name] for name, _ in ends}
        found.append(_left_running(steps, findings.sound.limits, by_name))
    default = {key: values[-1] for key, values in findings.comparison.final(OURS).values.items()}
    return [*found,
            _fronts("c", "fronts nowhere below a baseline's or a search's, beyond chance", findings.gaps(False),
                    findings.higher(False)),
            _fronts("c*", ALIKE, findings.gaps(True), findings.higher(True)),
            _held_out("d", "the highest held-out reward in the end", findings.gain(False)),
            _held_out("d*", ALIKE, findings.gain(True)),
            _white(steps, math.prod(findings.comparison.climbed.latent_shape), [default, ends[OURS, 1.0]])]


def _all(met: Sequence[bool | None]) -> bool | None:
    return False if False in met else None if None in met else True


def _time(letter: str, text: str, matched: Sequence[MatchedTime]) -> Goal:
    """Undecided too where there is no time to compare with: neither a rival nor the default climbs."""

    def said(each: MatchedTime) -> str:
        if each.rival_climbs:
            return f"{each.ratio.with_ends()} of {METHODS[each.rival].label}'s, errors to {each.limit:.2f}"
        default = "but those of the default do" if each.ratio.value == 0 else "nor do those of the default"
        return f"no baseline's steps keep errors to {each.limit:.2f}, {default}"

    met = [each.ratio.within(0, TIME_RATIO) if each.rival_climbs or each.ratio.value == 0 else None for each in matched]
    return Goal(letter, text, _all(met), "; ".join(map(said, matched)))


def _left_running(steps: int, limits: dict[str, float], ends: dict[str, list[dict[str, np.ndarray]]]) -> Goal:
    """Of the median picture, by each judge. ends: by contender, of every step size."""
    sound = {name: [all(median_picture(end[judge]) <= limit for judge, limit in limits.items()) for end in of]
             for name, of in ends.items()}
    published = f"; as published at {sum(sound[REFERENCE])}" if REFERENCE in sound else ""
    noises = len(next(iter(ends[OURS][0].values())))
    return Goal("b", f"after {steps} steps the median picture sound for every judge, over a tenfold range of step "
                "sizes", all(sound[OURS]),
                f"at {sum(sound[OURS])} of {len(sound[OURS])} step sizes{published} ({noises} noises)")


def _fronts(letter: str, text: str, gaps: dict[tuple[str, str], FrontGap], higher: Sequence[str]) -> Goal:
    """higher: rivals that reach targets where there is nothing to compare with."""
    below = [f"below {METHODS[method].label} ({short(key)}, {gap.worst:+.2f}, at most {gap.bound:+.2f})"
             for (method, key), gap in gaps.items() if gap.below]
    beyond = f"; higher targets: {', '.join(METHODS[name].label for name in higher)}" if higher else ""
    worst = min(gaps.values(), key=lambda gap: gap.worst)
    return Goal(letter, text, not below,
                ("; ".join(below) or f"worst {worst.worst:+.2f}, at most {worst.bound:+.2f}") + beyond)


def _held_out(letter: str, text: str, gain: Gain) -> Goal:
    """By what has had as much time as the rivals."""

    def said(difference: Interval) -> str:
        return f"{difference.value:+.2f} [{difference.low:+.2f}, {difference.high:+.2f}]"

    return Goal(letter, text, gain.longer.within(0, math.inf),
                f"{said(gain.longer)} over {gain.over} in as much time; with its own {SHIPPED.steps} steps "
                f"{said(gain.shipped)}")


def _white(steps: int, elements: int, ends: Sequence[dict[str, np.ndarray]]) -> Goal:
    """ends: after the default's steps, and after so many; of noises of so many elements."""
    white, kurtosis = ([end[key] for end in ends] for key in ("white", "excess_kurtosis"))
    allowed = [WHITE_DEVIATIONS * math.sqrt(24 / elements / len(values)) for values in kurtosis]
    met = all(found.all() for found in white) and all(
        abs(values.mean()) <= most for values, most in zip(kurtosis, allowed, strict=True))
    said = (f"{found.sum():.0f} of {len(found)}, excess kurtosis {values.mean():+.3f} (white: within {most:.3f})"
            for found, values, most in zip(white, kurtosis, allowed, strict=True))
    return Goal("e", "Noise Statistics calls every noise white, and the mean kurtosis is that of white noise, after "
                f"the default's steps and after {steps}", bool(met), "; ".join(said))
