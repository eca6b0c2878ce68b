"""What the runs say: figures for the tables, and whether the goals are met."""

import json
import math
from dataclasses import asdict, dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from preconditioning import WhiteGaussianProjector

from .cells import FINAL_SEED, noises
from .contenders import REFERENCE
from .judging import pictures, scores
from .protocol import Comparison, Curves, step_clock
from .statistics import Interval, bootstrap, bootstrap_mean, geometric_mean, least_loss, time_to

SOUND_PICTURES, SOUND_QUANTILE = 128, 0.975
GOAL_TIME_RATIO, GOAL_PROJECTION_SHARE, GOAL_STEP_SIZE_RANGE = 0.3, 0.01, 10.0
FRONT_LEVELS = 25
ABLATION_LEVEL = 8.5  # of the target, at which ablations are compared
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


def sound(comparison: Comparison) -> Sound | None:
    """None where the subject knows no such pictures; kept in the folder of the runs."""
    path, subject = comparison.folder / "sound_pictures.json", comparison.watched
    if path.exists():
        return Sound(**json.loads(path.read_text()))
    images = subject.sound_pictures(SOUND_PICTURES)
    if images is None:
        return None
    prompts = [subject.prompts[i % len(subject.prompts)] for i in range(len(images))]
    found = scores(subject, images, prompts)
    judges = [name for name in found if name.startswith("judge: ")]
    measured = Sound({name: summary(name, value).item() for name, value in found.items()},
                     {name: torch.quantile(found[name], SOUND_QUANTILE).item() for name in judges}, len(images))
    path.write_text(json.dumps(asdict(measured), indent=1) + "\n")
    return measured


def summary(name: str, values: Tensor) -> Tensor:
    """Mean over the last dimension; geometric for judges."""
    return geometric_mean(values) if name.startswith("judge: ") else values.mean(-1)


def interval(name: str, values: Tensor) -> Interval:
    """Of `summary` (B,)."""
    if not name.startswith("judge: "):
        return bootstrap_mean(values)
    logs = bootstrap_mean(values.clamp_min(1e-6).log())
    return Interval(math.exp(logs.value), math.exp(logs.low), math.exp(logs.high))


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

    def statistic(index: Tensor) -> float:
        moment = time_to(curves.seconds, curves.values["target"][:, index].mean(1), level)
        if limit is not None and math.isfinite(moment):
            name, most = limit
            if geometric_mean(curves.at(name, moment)[index]).item() > most:
                return math.inf
        return moment / budget

    return bootstrap(statistic, curves.values["target"].shape[1], RESAMPLES)


@dataclass(frozen=True)
class Points:
    """All that a method reached in its trials within the budget. seconds: (n,). values: by name, (n, B)."""

    seconds: Tensor
    values: dict[str, Tensor]

    def means(self, name: str, index: Tensor | None = None) -> Tensor:
        values = self.values[name]
        return summary(name, values if index is None else values[:, index])


def points(comparison: Comparison, name: str) -> Points:
    """Of every step size and kept moment within the budget, its end included."""
    budget, seconds, values = comparison.budget, [], {}
    for curves in comparison.trials(name).values():
        within = curves.seconds < budget
        seconds.append(torch.cat([curves.seconds[within], torch.tensor([budget], dtype=torch.float64)]))
        for key, value in curves.values.items():
            values.setdefault(key, []).append(torch.cat([value[within], curves.at(key, budget)[None]]))
    return Points(torch.cat(seconds), {key: torch.cat(value) for key, value in values.items()})


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


def matched_time(comparison: Comparison, method: str, baselines: list[str], judge: str, limit: float) -> MatchedTime:
    """Every method at the step size that suits it best, on the tuning noises, which are resampled jointly."""
    reached = {name: points(comparison, name) for name in (*baselines, method)}

    def fastest(name: str, index: Tensor, level: float) -> float:
        of = reached[name]
        enough = (of.means(judge, index) <= limit) & (of.means("target", index) >= level)
        return of.seconds[enough].min().item() if enough.any() else math.inf

    def best(index: Tensor) -> tuple[str, float]:
        targets = {}
        for name in baselines:
            fine = reached[name].means(judge, index) <= limit
            targets[name] = reached[name].means("target", index)[fine].max().item() if fine.any() else -math.inf
        name = max(targets, key=targets.__getitem__)
        return name, targets[name]

    def ratio(index: Tensor) -> float:
        name, level = best(index)
        moments = fastest(method, index, level), fastest(name, index, level)
        if moments[1] == 0:  # the baseline breaks the limit with its first step
            return 1.0 if moments[0] == 0 else math.inf
        return moments[0] / moments[1]

    every = torch.arange(comparison.plan.tuning_noises)
    name, level = best(every)
    return MatchedTime(limit, name, level, fastest(name, every, level) / comparison.budget,
                       bootstrap(ratio, len(every), RESAMPLES))


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


def front_gap(ours: Points, theirs: Points, name: str) -> FrontGap:
    """Compare two fronts of target against a held-out reward or a judge; noises are resampled jointly."""
    count = ours.values["target"].shape[1]
    judged = name.startswith("judge: ")

    @cache  # every kind sees the same resamples
    def differences(noises: tuple[int, ...]) -> tuple[float, Tensor]:
        index = torch.tensor(noises)
        targets = [side.means("target", index) for side in (ours, theirs)]
        # As losses: log errors, or the held-out reward's negative.
        losses = [side.means(name, index).log() if judged else -side.means(name, index) for side in (ours, theirs)]
        low, high = theirs.means("target", index).min(), min(target.max() for target in targets)
        levels = torch.linspace(float(low), float(high), FRONT_LEVELS)
        levels[-1] = high
        gap = least_loss(targets[1], losses[1], levels) - least_loss(targets[0], losses[0], levels)
        return float(targets[0].max() - targets[1].max()), gap.expm1() if judged else gap

    kinds = {
        "reach": lambda index: differences(tuple(index.tolist()))[0],
        "better": lambda index: (differences(tuple(index.tolist()))[1] >= 0).double().mean().item(),
        "least": lambda index: differences(tuple(index.tolist()))[1].min().item(),
        "median": lambda index: differences(tuple(index.tolist()))[1].median().item(),
    }
    return FrontGap(**{kind: bootstrap(statistic, count, RESAMPLES) for kind, statistic in kinds.items()})


def share_inside(errors: Tensor, limit: float) -> Interval:
    """Share of the pictures (B,) whose error is within the limit."""
    return bootstrap_mean((errors <= limit).double())


@dataclass(frozen=True)
class Goal:
    """letter, text: of the goal. met: None where it cannot be told here. evidence: one sentence with numbers."""

    letter: str
    text: str
    met: bool | None
    evidence: str


def _said(value: Interval, form: str = ".2f") -> str:
    ends = ["never" if math.isinf(end) else format(end, form) for end in (value.value, value.low, value.high)]
    return f"{ends[0]} [{ends[1]}, {ends[2]}]"


def goal_time(comparison: Comparison, matched: list[MatchedTime]) -> Goal:
    said = [f"with errors up to {each.limit:.2f}, {comparison.contenders[each.baseline].label} gets highest, to "
            f"{each.target:.2f}; time ratio {_said(each.ratio)}" for each in matched]
    return Goal("a", "at matched realism, the best baseline's target reward in at most 30% of its time, every method "
                "at its best step size", all(each.ratio.value <= GOAL_TIME_RATIO for each in matched), "; ".join(said))


def goal_overcooking(comparison: Comparison, baselines: list[str], limits: dict[str, float],
                     method: str = REFERENCE) -> Goal:
    text = ("after the longest trials, realism inside the interval of optimized but sound pictures, where the "
            "baselines' is not, over a tenfold range of step sizes")

    def medians(name: str) -> dict[float, dict[str, float]]:
        return {size: {judge: curves.values[judge][-1].median().item() for judge in limits}
                for size, curves in comparison.trials(name).items()}

    def inside(found: dict[str, float]) -> bool:
        return all(found[judge] <= limit for judge, limit in limits.items())

    of_method = medians(method)
    kept = [size for size, found in of_method.items() if inside(found)]
    others = {name: sum(inside(found) for found in medians(name).values())
              for name in baselines if name in comparison.plan.long_trials}
    span = max(kept) / min(kept) if kept else 0.0
    met = span >= GOAL_STEP_SIZE_RANGE and not any(others.values())
    counts = ", ".join(f"{comparison.contenders[name].label} at {count}" for name, count in others.items())
    sizes = ", ".join(f"{size:g}" for size in kept) or "none"
    return Goal("b", text, met, f"the median picture is inside for both judges at {len(kept)} of {len(of_method)} step "
                f"sizes ({sizes}); {counts or 'no baseline was run as long'}")


def goal_fronts(gaps: dict[tuple[str, str], FrontGap], labels: dict[str, str]) -> Goal:
    """gaps: by baseline and judge. Below: the 95% interval of the worst gap lies below zero as a whole."""
    below = [f"below {labels[baseline]} on {name.split(': ')[1]} ({_said(gap.least)} at the worst level)"
             for (baseline, name), gap in gaps.items() if gap.least.high < 0]
    beyond = list(dict.fromkeys(labels[baseline] for (baseline, _), gap in gaps.items() if gap.reach.high < 0))
    worst = min(gaps.values(), key=lambda gap: gap.least.value).least
    evidence = "; ".join(below) or ("nowhere below, beyond what the noises' scatter allows, at target levels that both "
                                    f"reach; the worst gap is {_said(worst)}")
    if beyond:
        evidence += f"; {', '.join(beyond)} can reach higher targets, which is counted apart"
    text = ("the front (target against realism, target against an independent held-out judge) is nowhere below a "
            "baseline's")
    return Goal("c", text, not below, evidence)


def goal_projection(share: float) -> Goal:
    return Goal("d", "projection below 1% of a step", share < GOAL_PROJECTION_SHARE,
                f"{100 * share:.2f}% of a step of the demo world, gradient and latent together")


def final_pictures(comparison: Comparison, name: str, count: int | None = None) -> tuple[Tensor, tuple[str, ...]]:
    """Of the noise at the end of the final run: (B, 3, H, W), and the prompts."""
    curves = comparison.final(name)
    prompts = curves.prompts[:count]
    return pictures(comparison.watched, curves.noise[:count], list(prompts)), prompts


def headline(comparison: Comparison, name: str) -> dict[str, Interval]:
    """Of every score at the end of the budget."""
    curves = comparison.final(name)
    return {key: interval(key, curves.at(key, comparison.budget)) for key in curves.values}




def start_noise(comparison: Comparison, count: int) -> tuple[Tensor, list[str]]:
    """The first start noises of the comparison."""
    return noises(comparison.watched, range(FINAL_SEED, FINAL_SEED + count))


def projection_share(comparison: Comparison, repeats: int = 15) -> float:
    """Share of a step of GPER that its projections, of gradient and latent, take for one noise.

    The least of some repeats, of a batch as large as that of the step's own time.
    """
    noise, _ = start_noise(comparison, min(comparison.plan.batch, comparison.plan.noises))
    projector, clock = WhiteGaussianProjector(), step_clock()
    seconds = []
    for _ in range(repeats):
        started = clock()
        projector.retract(projector.precondition(noise, noise))
        seconds.append(clock() - started)
    return min(seconds) / len(noise) / comparison.step_seconds[REFERENCE]
