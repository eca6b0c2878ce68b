"""What the runs say: the figures behind the document's tables and goals."""

import math
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from . import cells
from .contenders import BASELINES, EFFORT_RUNS, OURS, PLAIN_EFFORT, SEARCHES
from .protocol import Comparison, held_out_key, kept
from .statistics import Interval, bootstrap, bootstrap_mean, geometric_mean, min_loss

SOUND_PICTURES, SOUND_QUANTILE = 128, 0.975
FRONT_LEVELS = 25
RESAMPLES = 500  # of whole fronts and times, which take longer than means


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

    rival: who reaches the highest target so. target: that target. seconds: earliest time of the rival there. ratio:
    our earliest time over it; infinite where we do not get there.
    """

    limit: float
    rival: str
    target: float
    seconds: float
    ratio: Interval


@dataclass(frozen=True)
class FrontGap:
    """How far a method's front is above a baseline's, over the target levels that either reaches.

    reach: difference of the highest targets. better: share of the common levels at which the front is above. least,
    median: of the difference over the common levels; in units of the held-out reward, or as a ratio of errors minus 1.
    """

    reach: Interval
    better: Interval
    least: Interval
    median: Interval


@dataclass(frozen=True)
class Gain:
    """How far one contender's held-out reward is above another's, on the same noises."""

    over: str
    difference: Interval


class Findings:
    """Of a comparison at one size, found when they are asked for.

    contenders, labels: by name. sound: None where the subject knows no such pictures. held_out, judges, scores: keys of
    the values of `Curves`. main: the held-out reward that settings were chosen by. ours: the names of what is held to
    the goals, `OURS` and the efforts that step like it.
    """

    def __init__(self, comparison: Comparison) -> None:
        self.comparison, self.contenders, self.plan = comparison, comparison.contenders, comparison.plan
        self.size = comparison.climbed.size
        self.labels = {name: contender.label for name, contender in self.contenders.items()}
        self.held_out = [f"held out: {name}" for name in comparison.watched.held_out]
        self.judges = [f"judge: {name}" for name in comparison.watched.judges]
        self.scores = ("target", *self.held_out, *self.judges)
        self.main = held_out_key(comparison.watched)
        self.ours = [name for name in self.contenders if name == OURS or name in EFFORT_RUNS and name != PLAIN_EFFORT]
        found = kept(comparison.folder / "sound_pictures.json", self._sound)
        self.sound = Sound(**found) if found else None
        self.points, self.end, self.matched, self.gaps = map(cache, (self.points, self.end, self.matched, self.gaps))

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
        """All that these contenders reached within the budget, at any step size, strength and moment."""
        latest = self.comparison.budget + self.comparison.reference_seconds  # steps are rounded
        curves = [curves for name in names for curves in self.comparison.tried(name)]
        early = [curves.seconds <= latest for curves in curves]
        return Points(np.concatenate([of.seconds[before] for of, before in zip(curves, early, strict=True)]),
                      {key: np.concatenate([of.values[key][before] for of, before in zip(curves, early, strict=True)])
                       for key in self.scores})

    def rivals(self, helped: bool, searches: bool = False) -> dict[str, list[str]]:
        """Contenders by their method: the baselines as published, or in every way; the searches too."""
        return {method: names for method in (*BASELINES, *(SEARCHES if searches else ()))
                if (names := [name for name, of in self.contenders.items()
                              if of.method == method and (helped or name == method)])}

    def matched(self, helped: bool) -> list[MatchedTime]:
        """At the mean error of sound pictures and at their limit; where none are known, at twice the start's error."""
        judge, ours = self.judges[0], self.points(*self.ours)
        start = 2 * float(geometric_mean(ours.values[judge][0]))
        limits = (self.sound.means[judge], self.sound.limits[judge]) if self.sound else (start,)
        rivals = {method: self.points(*names) for method, names in self.rivals(helped).items()}
        return [matched_time(ours, rivals, judge, limit) for limit in limits]

    def gaps(self, helped: bool) -> dict[tuple[str, str], FrontGap]:
        """By rival, and by the held-out reward of the choices and the judges."""
        ours = self.points(*self.ours)
        return {(method, key): front_gap(ours, self.points(*names), key)
                for method, names in self.rivals(helped, searches=True).items() for key in (self.main, *self.judges)}

    def gain(self, helped: bool) -> Gain:
        """Of `OURS` in held-out reward, over the best rival in the end."""
        ends = {name: self.comparison.final(name).values[self.main][-1]
                for names in self.rivals(helped, searches=True).values() for name in names}
        best = max(ends, key=lambda name: ends[name].mean())
        return Gain(best, bootstrap_mean(self.comparison.final(OURS).values[self.main][-1] - ends[best]))


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
    """Its error; of an even number of pictures, that of the better of the two in the middle."""
    return float(np.quantile(errors, 0.5, method="lower"))


def diversity(images: Tensor, prompts: tuple[str, ...]) -> float:
    """Mean root-mean-square difference between two pictures of one prompt, both shrunk to 16 x 16."""
    small = F.interpolate(images, size=(16, 16), mode="area").flatten(1)
    distances = torch.cdist(small, small) / small.shape[1] ** 0.5
    same = torch.tensor([[a == b and i != j for j, b in enumerate(prompts)] for i, a in enumerate(prompts)])
    return distances[same].mean().item() if same.any() else math.nan


def matched_time(ours: Points, rivals: dict[str, Points], judge: str, limit: float) -> MatchedTime:
    """Every contender with whatever suits it best; noises are resampled jointly."""

    def reached(points: Points, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Seconds and targets where errors are within the limit."""
        within = points.means(judge, index) <= limit
        return points.seconds[within], points.means("target", index)[within]

    def best(index: np.ndarray) -> tuple[str, float, float, float]:
        """Who, the target, the rival's seconds, ours."""
        found = {name: reached(points, index) for name, points in rivals.items()}
        name = max(found, key=lambda name: found[name][1].max(initial=-math.inf))
        level = found[name][1].max(initial=-math.inf)
        theirs, mine = (seconds[targets >= level].min(initial=math.inf)
                        for seconds, targets in (found[name], reached(ours, index)))
        return name, level, theirs, mine

    def ratio(index: np.ndarray) -> float:
        _, _, theirs, mine = best(index)
        if theirs == 0 or math.isinf(theirs):  # the rival breaks the limit with its first step
            return 1.0 if mine == 0 else math.inf
        return mine / theirs

    every = np.arange(ours.values[judge].shape[1])
    name, level, theirs, _ = best(every)
    return MatchedTime(limit, name, float(level), float(theirs), bootstrap(ratio, len(every), RESAMPLES)[0])


def front_gap(ours: Points, theirs: Points, name: str) -> FrontGap:
    """Compare two fronts of target against a held-out reward or a judge; noises are resampled jointly."""
    judged = name.startswith("judge: ")

    def figures(index: np.ndarray) -> tuple[float, ...]:
        (our_targets, our_losses), (their_targets, their_losses) = (
            # As losses: log errors, or the held-out reward's negative.
            (side.means("target", index), np.log(side.means(name, index)) if judged else -side.means(name, index))
            for side in (ours, theirs))
        levels = np.linspace(their_targets.min(), min(our_targets.max(), their_targets.max()), FRONT_LEVELS)
        gap = min_loss(their_targets, their_losses, levels) - min_loss(our_targets, our_losses, levels)
        gap = np.expm1(gap) if judged else gap
        return our_targets.max() - their_targets.max(), (gap >= 0).mean(), gap.min(), np.median(gap)

    return FrontGap(*bootstrap(figures, ours.values["target"].shape[1], RESAMPLES))
