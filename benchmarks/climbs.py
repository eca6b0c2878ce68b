"""What helps an ascent beyond the paper: seeds first, a limit on how far it goes, steps that fall, momentum.

    python -m benchmarks.climbs                  # the demo world, some six minutes of one CPU core
    python -m benchmarks.climbs --json FILE

Each way starts from the same noises, on which no setting was chosen. A row holds means over the noises, each at its
best; eight of them tell large differences from none, and no more.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from optimization import SeedsFirst, Step, Stopping, ascend
from preconditioning import RECIPES, Recipe, describe_whiteness, measure_whiteness
from preconditioning.whiteness_verdict import WHITE

from .comparison.cells import noises
from .comparison.contenders import MOMENTUM, SEEDS, STRENGTH, further_seeds
from .comparison.demo_subject import DemoSubject
from .comparison.judging import pictures, scores
from .comparison.subject import Subject
from .shared import command_line, table, write_json

FIRST_SEED = 300_000  # neither the tuning noises of the comparison nor its final ones
GPER, PRNO = RECIPES["GPER"], RECIPES["PRNO"]


@dataclass(frozen=True)
class Way:
    """One way to climb. seeds: tried first, 0 for none."""

    name: str
    recipe: Recipe
    step_size: float
    seeds: int = 0


def near(recipe: Recipe) -> Recipe:
    return replace(recipe, strength=STRENGTH)


def falling(recipe: Recipe) -> Recipe:
    return replace(recipe, schedule="falling")


WAYS = (
    Way("GPER as in the paper, 0.05", GPER, 0.05),
    Way("the same, seeds first", GPER, 0.05, SEEDS),
    Way("the same, strength 0.2", near(GPER), 0.05),
    Way("the same, seeds first, strength 0.2", near(GPER), 0.05, SEEDS),
    Way("GPER, falling 0.1, seeds first, strength 0.2", near(falling(GPER)), 0.1, SEEDS),
    Way("GPER, falling momentum 0.1, seeds first", MOMENTUM, 0.1, SEEDS),
    Way("the same, strength 0.2", near(MOMENTUM), 0.1, SEEDS),
    Way("PRNO, 0.05", PRNO, 0.05),
    Way("the same, seeds first", PRNO, 0.05, SEEDS),
    Way("the same, seeds first, strength 0.2", near(PRNO), 0.05, SEEDS),
)


@dataclass(frozen=True)
class Result:
    """Means over the noises; white: how many of them Noise Statistics finds white; seconds: of the process."""

    way: str
    steps: int
    target: float
    held_out: float
    realism_error: float
    kurtosis: float
    cosine: float
    white: int
    seeds_gave: float
    ascent_added: float
    seconds: float


def measured(way: Way, subject: Subject, noise: Tensor, prompts: list[str], steps: Sequence[int]) -> list[Result]:
    """After each of these numbers of steps. Steps that fall depend on how many are planned: then a run for each."""
    if way.recipe.schedule != "constant" and len(steps) > 1:
        return [result for count in steps for result in measured(way, subject, noise, prompts, [count])]
    seeds = tuple(range(FIRST_SEED, FIRST_SEED + len(noise)))
    results, started = [], time.process_time()

    def judge(step: Step) -> None:
        nonlocal started
        record = step.record
        if step.index < record.ascent_start or record.steps not in steps:
            return
        seconds, best = time.process_time() - started, record.best_noise
        found = scores(subject, pictures(subject, best, prompts), prompts)
        whiteness = measure_whiteness(best, noise)
        means = [found["target"], found["held out: held out"], found["judge: autoencoder"],
                 whiteness.excess_kurtosis, whiteness.cosine_to_start]
        results.append(Result(
            way.name, record.steps, *(float(value.mean()) for value in means),
            [describe_whiteness(sample[None]) for sample in best].count(WHITE),
            float((record.start_reward - record.rewards[0]).mean()),
            float((record.best_reward - record.start_reward).mean()), seconds,
        ))
        started = time.process_time() - seconds  # judging is not counted

    ascend(
        noise,
        lambda x: subject.generate(x, prompts),
        lambda images: subject.reward(images, prompts),
        **way.recipe.arguments(way.step_size),
        stopping=Stopping(steps=max(steps)),
        callback=judge,
        seeds_first=SeedsFirst(way.seeds, further_seeds(noise, seeds)) if way.seeds else None,
    )
    return results


def report(results: list[Result], count: int) -> str:
    head = ("way", "steps", "target", "held out", "realism error", "excess kurtosis", f"white, of {count}",
            "seeds gave", "ascent added", "seconds")
    return table(head, [
        (result.way, str(result.steps), f"{result.target:.2f}", f"{result.held_out:.2f}", f"{result.realism_error:.2f}",
         f"{result.kurtosis:+.2f}", str(result.white), f"{result.seeds_gave:.2f}", f"{result.ascent_added:.2f}",
         f"{result.seconds:.0f}")
        for result in results
    ])


def parser() -> argparse.ArgumentParser:
    arguments = command_line("climbs", __doc__)
    arguments.add_argument("--noises", type=int, default=8, help="start noises (8)")
    arguments.add_argument("--steps", type=int, nargs="+", default=[20, 60], help="updates of each run (20 and 60)")
    return arguments


def main(arguments: list[str] | None = None, subject: Subject | None = None) -> None:
    options = parser().parse_args(arguments)
    torch.set_num_threads(1)
    subject = subject or DemoSubject()
    noise, prompts = noises(subject, range(FIRST_SEED, FIRST_SEED + options.noises))
    results = [result for way in WAYS for result in measured(way, subject, noise, prompts, options.steps)]
    print(report(results, options.noises))
    write_json(options.json, [asdict(result) for result in results])


if __name__ == "__main__":
    main()
