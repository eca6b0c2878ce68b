"""What the runs say: the figures behind the document's tables and goals."""

import math
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from preconditioning import WhiteGaussianProjector

from ..shared import least_milliseconds
from . import cells
from .contenders import BASELINES, REFERENCE
from .protocol import DEVICE, Comparison, Curves, held_out_key, kept
from .statistics import Interval, bootstrap, bootstrap_mean, geometric_mean, min_loss, time_to

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
    """All that a method reached in its trials within the budget. seconds: (n,). values: by name, (n, B)."""

    seconds: np.ndarray
    values: dict[str, np.ndarray]

    def means(self, name: str, index: np.ndarray | slice = slice(None)) -> np.ndarray:
        return summary(name, self.values[name][:, index])


@dataclass(frozen=True)
class MatchedTime:
    """A method against the best baseline, both with the geometric mean of a judge's errors within `limit`.

    baseline: who reaches the highest target so. target: that target. baseline_share: earliest time of the baseline, as
    a share of the budget. ratio: earliest time of the method over it; infinite where the method does not get there.
    """

    limit: float
    baseline: str
    target: float
    baseline_share: float
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


class Findings:
    """Of a comparison, found when they are asked for.

    names: of the methods. labels: of each. sound: None where the subject knows no such pictures. held_out, judges,
    scores: keys of the values of `Curves`. main: the held-out reward that step sizes were chosen by.
    """

    def __init__(self, comparison: Comparison) -> None:
        self.comparison, self.names = comparison, list(comparison.contenders)
        self.labels = {name: contender.label for name, contender in comparison.contenders.items()}
        self.baselines = [name for name in self.names if name in BASELINES]
        self.held_out = [f"held out: {name}" for name in comparison.watched.held_out]
        self.judges = [f"judge: {name}" for name in comparison.watched.judges]
        self.scores = ("target", *self.held_out, *self.judges)
        self.main = held_out_key(comparison.watched)
        found = kept(comparison.folder / "sound_pictures.json", self._sound)
        self.sound = Sound(**found) if found else None
        # Found once for each method.
        self.points = cache(lambda name: points(comparison, name))
        self.gaps, self.headline = cache(self.gaps), cache(self.headline)

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

    def headline(self, name: str) -> dict[str, Interval]:
        """Every score of a method at the end of the budget."""
        curves = self.comparison.final(name)
        return {key: interval(key, curves.at(key, self.comparison.budget)) for key in curves.values}

    def matched(self, method: str) -> list[MatchedTime]:
        """At the mean error of sound pictures and at their limit; where none are known, at twice the start's error."""
        judge = self.judges[0]
        if self.sound:
            return [self._matched_time(method, judge, found[judge]) for found in (self.sound.means, self.sound.limits)]
        start = float(geometric_mean(self.comparison.final(method).values[judge][0]))
        return [self._matched_time(method, judge, 2 * start)]

    def _matched_time(self, method: str, judge: str, limit: float) -> MatchedTime:
        """Every method at the step size that suits it best, on the tuning noises, which are resampled jointly."""

        def reached(name: str, index: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            """Of all points: the seconds, whether errors are within the limit, and the targets."""
            of = self.points(name)
            return of.seconds, of.means(judge, index) <= limit, of.means("target", index)

        def fastest(name: str, index: np.ndarray, level: float) -> float:
            seconds, within, targets = reached(name, index)
            return seconds[within & (targets >= level)].min(initial=math.inf)

        def best(index: np.ndarray) -> tuple[str, float]:
            highest = {}
            for name in self.baselines:
                _, within, targets = reached(name, index)
                highest[name] = targets[within].max(initial=-math.inf)
            return max(highest.items(), key=lambda found: found[1])

        def ratio(index: np.ndarray) -> float:
            name, level = best(index)
            ours, theirs = fastest(method, index, level), fastest(name, index, level)
            if theirs == 0:  # the baseline breaks the limit with its first step
                return 1.0 if ours == 0 else math.inf
            return ours / theirs if math.isfinite(ours) else math.inf

        every = np.arange(self.comparison.plan.tuning_noises)
        name, level = best(every)
        return MatchedTime(limit, name, float(level), fastest(name, every, level) / self.comparison.budget,
                           bootstrap(ratio, len(every), RESAMPLES)[0])

    def gaps(self, method: str) -> dict[tuple[str, str], FrontGap]:
        """By baseline, and by the held-out reward of the tuning and the judges."""
        return {(name, key): front_gap(self.points(method), self.points(name), key)
                for name in self.baselines for key in (self.main, *self.judges)}

    def projection_share(self, repeats: int = 15) -> float:
        """Share of a step of GPER that its projections, of gradient and latent, take for one noise.

        The least of some repeats, of a batch as large as that of the step's own time.
        """
        plan, projector = self.comparison.plan, WhiteGaussianProjector()
        noise, _ = self.start_noise(min(plan.batch, plan.noises))
        (milliseconds,) = least_milliseconds(
            [lambda: projector.retract(projector.precondition(noise, noise))], repeats, DEVICE)
        return milliseconds / 1e3 / len(noise) / self.comparison.step_seconds[REFERENCE]


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


def share_inside(errors: np.ndarray, limit: float) -> Interval:
    """Share of the pictures (B,) whose error is within the limit."""
    return bootstrap_mean((errors <= limit).astype(float))


def diversity(images: Tensor, prompts: tuple[str, ...]) -> float:
    """Mean root-mean-square difference between two pictures of one prompt, both shrunk to 16 x 16."""
    small = F.interpolate(images, size=(16, 16), mode="area").flatten(1)
    distances = torch.cdist(small, small) / small.shape[1] ** 0.5
    same = torch.tensor([[a == b and i != j for j, b in enumerate(prompts)] for i, a in enumerate(prompts)])
    return distances[same].mean().item() if same.any() else math.nan


def time_ratio(curves: Curves, level: float, budget: float, limit: tuple[str, float] | None = None) -> Interval:
    """Time at which the mean target reaches `level`, over `budget`.

    limit: a judge and the geometric mean of its errors that must not be exceeded at that time; infinite where it is.
    """

    def statistic(index: np.ndarray) -> float:
        moment = time_to(curves.seconds, curves.values["target"][:, index].mean(1), level)
        if limit and math.isfinite(moment) and geometric_mean(curves.at(limit[0], moment)[index]) > limit[1]:
            return math.inf
        return moment / budget

    return bootstrap(statistic, curves.values["target"].shape[1], RESAMPLES)[0]


def points(comparison: Comparison, name: str) -> Points:
    """Of every step size and kept moment within the budget, its end included."""
    budget, trials = comparison.budget, list(comparison.trials(name).values())
    early = [curves.seconds < budget for curves in trials]
    return Points(
        np.concatenate([[*curves.seconds[before], budget] for curves, before in zip(trials, early, strict=True)]),
        {key: np.concatenate([[*curves.values[key][before], curves.at(key, budget)]
                              for curves, before in zip(trials, early, strict=True)]) for key in trials[0].values})


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
