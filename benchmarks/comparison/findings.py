"""What the runs say: the figures behind the document's tables and goals."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
import scipy.interpolate
import torch
import torch.nn.functional as F
from torch import Tensor

from . import cells
from .contenders import BASELINES, LONGER, OURS, SEARCHES
from .protocol import Comparison, held_out_key, kept
from .statistics import Interval, bootstrap, bootstrap_mean, geometric_mean, min_loss, upper_bounds

SOUND_PICTURES, SOUND_QUANTILE = 128, 0.975
FRONT_LEVELS = 25
RESAMPLES = 500  # of whole fronts and times, which take longer than means
RANGE = (10**-0.5, 1.0, 10**0.5)  # times the step size that ships, of the runs that are not stopped


@dataclass(frozen=True)
class Sound:
    """Pictures that please the target as far as is possible without optimized noise.

    means: of every score over the pictures, geometric for judges. limits: by judge, the error that all but 2.5% of
    the pictures stay below. count: of the pictures.
    """

    means: dict[str, float]
    limits: dict[str, float]
    count: int


@dataclass(frozen=True)
class Points:
    """All that was reached within the budget. seconds: (n,). values: by name, (n, B)."""

    seconds: np.ndarray
    values: dict[str, np.ndarray]

    def means(self, name: str, index: np.ndarray | slice = slice(None)) -> np.ndarray:
        return summary(name, self.values[name][:, index])


@dataclass(frozen=True)
class MatchedTime:
    """Against the best rival, both with the geometric mean of a judge's errors within `limit`.

    rival: who reaches the highest target so, after its seeds. target: that target. seconds: earliest time of the rival
    there. ratio: our earliest time over it; infinite where we do not get there. Where no rival climbs within the limit,
    0 if we do, else 1.
    """

    limit: float
    rival: str
    target: float
    seconds: float
    ratio: Interval

    @property
    def rival_climbs(self) -> bool:
        return 0 < self.seconds < math.inf


@dataclass(frozen=True)
class FrontGap:
    """How far a front is above a rival's, at that of the target levels that both reach where it is most surely below.

    worst: the difference, in units of the held-out reward, or as a ratio of errors minus 1. bound: what it is at most.
    """

    worst: float
    bound: float

    @property
    def below(self) -> bool:
        return self.bound < 0


@dataclass(frozen=True)
class Gain:
    """How far our held-out rewards in the end are above the best rival's, on the same noises. over: its label."""

    over: str
    longer: Interval
    shipped: Interval


class Findings:
    """Of a comparison at one size, found when they are asked for.

    contenders, labels: by name. sound: None where the subject knows no such pictures. held_out, judges, scores: keys of
    the values of `Curves`. main: the held-out reward that settings were chosen by. ours: the names of what is held to
    the goals.
    """

    def __init__(self, comparison: Comparison) -> None:
        self.comparison, self.contenders, self.plan = comparison, comparison.contenders, comparison.plan
        self.size = comparison.climbed.size
        self.labels = {name: contender.label for name, contender in self.contenders.items()}
        self.held_out = [f"held out: {name}" for name in comparison.watched.held_out]
        self.judges = [f"judge: {name}" for name in comparison.watched.judges]
        self.scores = ("target", *self.held_out, *self.judges)
        self.main = held_out_key(comparison.watched)
        self.ours = [name for name in (OURS, LONGER) if name in self.contenders]
        found = kept(comparison.folder / "sound_pictures.json", self._sound)
        self.sound = Sound(**found) if found else None
        self.points, self.climb, self.end, self.matched, self.gaps = map(
            cache, (self.points, self.climb, self.end, self.matched, self.gaps))

    def _sound(self) -> dict:
        subject = self.comparison.watched
        images = subject.sound_pictures(SOUND_PICTURES)
        if images is None:
            return {}
        prompts = [subject.prompts[i % len(subject.prompts)] for i in range(len(images))]
        found = {key: value.cpu().numpy() for key, value in cells.scores(subject, images, prompts).items()}
        return asdict(Sound({key: float(summary(key, value)) for key, value in found.items()},
                            {key: float(np.quantile(found[key], SOUND_QUANTILE)) for key in self.judges}, len(images)))

    def pictures(self, noise: Tensor, prompts: tuple[str, ...] | list[str], count: int | None = None) -> Tensor:
        """(B, 3, H, W) of the first `count` noises (B, C, H, W), as those who watch see them."""
        return cells.pictures(self.comparison.watched, noise[:count], list(prompts[:count]))

    def start_noise(self, count: int) -> tuple[Tensor, list[str]]:
        """The first start noises of the comparison."""
        return cells.noises(self.comparison.watched, range(cells.FINAL_SEED, cells.FINAL_SEED + count))

    def end(self, name: str) -> dict[str, Interval]:
        """Every score of a contender in the end, and with sound pictures known the share of its own that are sound."""
        values = {key: curve[-1] for key, curve in self.comparison.final(name).values.items()}
        found = {key: interval(key, value) for key, value in values.items()}
        return found | ({"sound": bootstrap_mean(self.are_sound(values))} if self.sound else {})

    def are_sound(self, values: dict[str, np.ndarray]) -> np.ndarray:
        """(B,) 1 for pictures that every judge finds sound, of scores (B,)."""
        return np.all([values[judge] <= limit for judge, limit in self.sound.limits.items()], 0).astype(float)

    def points(self, *names: str) -> Points:
        """All that these contenders reached within the budget, at any moment."""
        finals = [self.comparison.final(name) for name in names]
        return self._joined([Points(curves.seconds, curves.values) for curves in finals], self.scores)

    def climb(self, *names: str) -> Points:
        """What their steps reached within the budget, the seeds that were tried first aside: at every step the target,
        as the method saw it, and the first judge's error, interpolated between the steps that were judged."""
        judge, found = self.judges[0], []
        for name in names:
            curves, contender = self.comparison.final(name), self.contenders[name]
            steps = range(contender.seeds + 1, curves.steps[-1] + 1)
            logs = np.log(np.maximum(curves.values[judge], 1e-6))
            errors = np.exp(scipy.interpolate.make_interp_spline(curves.steps, logs, k=1)(steps))
            found.append(Points(self.comparison.seconds(contender, steps),
                                {"target": curves.targets[steps], judge: errors}))
        return self._joined(found, ("target", judge))

    def _joined(self, points: Sequence[Points], keys: Sequence[str]) -> Points:
        """Of those within the budget."""
        latest = self.comparison.budget + self.comparison.reference_seconds  # steps are rounded
        early = [(each, each.seconds <= latest) for each in points]
        return Points(np.concatenate([each.seconds[kept] for each, kept in early]),
                      {key: np.concatenate([each.values[key][kept] for each, kept in early]) for key in keys})

    def rivals(self, helped: bool, searches: bool = False) -> dict[str, list[str]]:
        """Contenders by their method: the baselines as published, or in every way; the searches too, which cannot be
        helped."""
        return {method: names for method in (*BASELINES, *(SEARCHES if searches else ()))
                if (names := [name for name, of in self.contenders.items()
                              if of.method == method and (helped or name == method)])}

    def matched(self, helped: bool) -> list[MatchedTime]:
        """At the mean error of sound pictures and at their limit; where none are known, at twice the start's error."""
        judge, ours = self.judges[0], self.climb(*self.ours)
        start = 2 * float(geometric_mean(self.comparison.final(OURS).values[judge][0]))
        limits = (self.sound.means[judge], self.sound.limits[judge]) if self.sound else (start,)
        rivals = {method: self.climb(*names) for method, names in self.rivals(helped).items()}
        return [matched_time(ours, rivals, judge, limit) for limit in limits]

    def gaps(self, helped: bool) -> dict[tuple[str, str], FrontGap]:
        """By rival, and by the held-out reward of the choices and the judges."""
        rivals = {method: self.points(*names) for method, names in self.rivals(helped, searches=not helped).items()}
        return front_gaps(self.points(*self.ours), {(method, key): points for method, points in rivals.items()
                                                    for key in (self.main, *self.judges)})

    def higher(self, helped: bool) -> list[str]:
        """Rivals that reach higher targets than ours within the budget, beyond the interval."""
        ours = self.points(*self.ours).values["target"]

        def lead(theirs: np.ndarray) -> Interval:
            return bootstrap(lambda index: theirs[:, index].mean(1).max() - ours[:, index].mean(1).max(),
                             ours.shape[1], RESAMPLES)[0]

        return [method for method, names in self.rivals(helped, searches=not helped).items()
                if lead(self.points(*names).values["target"]).low > 0]

    def gain(self, helped: bool) -> Gain:
        """Over the rival that has the highest held-out reward in the end."""
        ends = {name: self.comparison.final(name).values[self.main][-1] for names in
                (*self.rivals(helped, searches=not helped).values(), self.ours) for name in names}
        best = max((name for name in ends if name not in self.ours), key=lambda name: ends[name].mean())
        return Gain(self.labels[best], *(bootstrap_mean(ends[name] - ends[best]) for name in (LONGER, OURS)))

    @property
    def long_runs(self) -> list[tuple[str, float]]:
        """Contenders, and the multiples of the step size that ships at which they are not stopped. Without sound
        pictures, one tells all that is asked."""
        wanted = {name: RANGE for name in self.plan.long_of} if self.sound else {OURS: (1.0,)}
        return [(name, factor) for name, factors in wanted.items() if name in self.contenders for factor in factors]

    def long_end(self, name: str, factor: float) -> dict[str, np.ndarray]:
        """(B,) of every score and figure when such a run ends."""
        return {key: values[-1] for key, values in self.comparison.long_run(name, factor).values.items()}


def short(key: str) -> str:
    """Of a score, without its kind: "held out: x" -> "x"."""
    return key.split(": ")[-1]


def title(key: str) -> str:
    """Of a plot of a score."""
    kinds = {"judge": "realism error", "held out": "held-out reward"}
    kind = kinds.get(key.split(": ")[0])
    return f"{kind} ({short(key)})".removesuffix(" (held out)") if kind else key


def size_text(size: float | None) -> str:
    """Of a step size, or of none."""
    return "-" if size is None else f"{size:g}"


def summary(name: str, values: np.ndarray) -> np.ndarray:
    """Mean over the last dimension; geometric for judges."""
    return geometric_mean(values) if name.startswith("judge: ") else values.mean(-1)


def interval(name: str, values: np.ndarray) -> Interval:
    """Of `summary` (B,)."""
    if not name.startswith("judge: "):
        return bootstrap_mean(values)
    logs = bootstrap_mean(np.log(np.maximum(values, 1e-6)))
    return Interval(*(math.exp(log) for log in (logs.value, logs.low, logs.high)))


def median_picture(errors: np.ndarray) -> float:
    """Its error; of an even number of pictures, that of the worse of the two in the middle."""
    return float(np.quantile(errors, 0.5, method="higher"))


def diversity(images: Tensor, prompts: tuple[str, ...]) -> float:
    """Mean root-mean-square difference between two pictures of one prompt, both shrunk to 16 x 16."""
    small = F.interpolate(images, size=(16, 16), mode="area").flatten(1)
    distances = torch.cdist(small, small) / small.shape[1] ** 0.5
    same = torch.tensor([[a == b and i != j for j, b in enumerate(prompts)] for i, a in enumerate(prompts)])
    return distances[same].mean().item() if same.any() else math.nan


def matched_time(ours: Points, rivals: dict[str, Points], judge: str, limit: float) -> MatchedTime:
    """Noises are resampled jointly."""

    def reached(points: Points, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Seconds and targets where errors are within the limit."""
        within = points.means(judge, index) <= limit
        return points.seconds[within], points.means("target", index)[within]

    def best(index: np.ndarray) -> tuple[str, float, float, float]:
        """Who, the target, the rival's seconds, the ratio."""
        found = {name: reached(points, index) for name, points in rivals.items()}
        name = max(found, key=lambda name: found[name][1].max(initial=-math.inf))
        (their_seconds, their_targets), (seconds, targets) = found[name], reached(ours, index)
        level = their_targets.max(initial=-math.inf)
        theirs, mine = (their_seconds[their_targets >= level].min(initial=math.inf),
                        seconds[targets >= level].min(initial=math.inf))
        if 0 < theirs < math.inf:
            return name, level, theirs, mine / theirs
        return name, level, theirs, float(targets.max(initial=-math.inf) <= level)

    every = np.arange(ours.values[judge].shape[1])
    name, level, theirs, _ = best(every)
    ratio, = bootstrap(lambda index: best(index)[3], len(every), RESAMPLES)
    return MatchedTime(limit, name, float(level), float(theirs), ratio)


def front_gaps(ours: Points, rivals: dict[tuple[str, str], Points]) -> dict[tuple[str, str], FrontGap]:
    """Of fronts of target against a held-out reward or a judge, by rival and by score. Noises are resampled jointly,
    and the bounds hold for all rivals, scores and levels at once."""

    def front(points: Points, key: str, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Targets and losses: log errors, or the held-out reward's negative."""
        values = points.means(key, index)
        return points.means("target", index), np.log(values) if key.startswith("judge: ") else -values

    def gaps(index: np.ndarray) -> np.ndarray:
        found = []
        for (_, key), points in rivals.items():
            (targets, losses), (their_targets, their_losses) = front(ours, key, index), front(points, key, index)
            # From above the start, which is the same for all.
            levels = np.linspace(their_targets.min(), min(targets.max(), their_targets.max()), FRONT_LEVELS + 1)[1:]
            found.append(min_loss(their_targets, their_losses, levels) - min_loss(targets, losses, levels))
        return np.concatenate(found)

    found = np.stack(upper_bounds(gaps, ours.values["target"].shape[1], RESAMPLES)).reshape(2, -1, FRONT_LEVELS)
    worst = {pair: of[:, of[1].argmin()] for pair, of in zip(rivals, found.swapaxes(0, 1), strict=True)}
    return {(name, key): FrontGap(*map(float, np.expm1(gap) if key.startswith("judge: ") else gap))
            for (name, key), gap in worst.items()}
