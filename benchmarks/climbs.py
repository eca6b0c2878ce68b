"""What helps an ascent beyond the paper: seeds first, a limit on how far it goes, steps that fall, momentum.

    python -m benchmarks.climbs                  # the demo world, some minutes of one CPU core
    python -m benchmarks.climbs --json FILE

Each way starts from the same noises, which no setting was chosen on. A row holds means over the noises at their best;
Student's t test would need more of them to tell neighbours apart.
"""

import argparse
import time
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from optimization import RunRecord, SeedsFirst, Stopping, ascend
from preconditioning import RECIPES, Recipe, describe_whiteness, measure_whiteness
from preconditioning.whiteness_verdict import WHITE

from .comparison.cells import noises
from .comparison.contenders import further_seeds
from .comparison.demo_subject import DemoSubject
from .comparison.judging import pictures, scores
from .shared import command_line, table, write_json

FIRST_SEED = 300_000  # neither the tuning noises of the comparison nor its final ones
SEEDS = 16
GPER, PRNO = RECIPES["GPER"], RECIPES["PRNO"]
MOMENTUM = replace(GPER, optimizer="Momentum", schedule="falling")


@dataclass(frozen=True)
class Way:
    """One way to climb. seeds: tried first, 0 for none."""

    name: str
    recipe: Recipe
    step_size: float
    seeds: int = 0

    def run(self, subject: DemoSubject, noise: Tensor, prompts: list[str], steps: int) -> RunRecord:
        seeds = range(FIRST_SEED, FIRST_SEED + len(noise))
        first = SeedsFirst(self.seeds, further_seeds(noise, tuple(seeds))) if self.seeds else None
        return ascend(
            noise,
            lambda x: subject.generate(x, prompts),
            lambda images: subject.reward(images, prompts),
            **self.recipe.arguments(self.step_size),
            stopping=Stopping(steps=steps),
            seeds_first=first,
        )


WAYS = (
    Way("GPER as in the paper", GPER, 0.05),
    Way("GPER, seeds first", GPER, 0.05, SEEDS),
    Way("GPER, strength 0.2", replace(GPER, strength=0.2), 0.05),
    Way("GPER, seeds first, strength 0.2", replace(GPER, strength=0.2), 0.05, SEEDS),
    Way("GPER, seeds first, strength 0.2, falling 0.1", replace(GPER, strength=0.2, schedule="falling"), 0.1, SEEDS),
    Way("momentum, falling 0.1, seeds first", MOMENTUM, 0.1, SEEDS),
    Way("momentum, falling 0.1, seeds first, strength 0.2", replace(MOMENTUM, strength=0.2), 0.1, SEEDS),
    Way("PRNO", PRNO, 0.05),
    Way("PRNO, seeds first", PRNO, 0.05, SEEDS),
    Way("PRNO, seeds first, strength 0.2", replace(PRNO, strength=0.2), 0.05, SEEDS),
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
    seeds_gain: float
    ascent_gain: float
    seconds: float


def measured(way: Way, subject: DemoSubject, noise: Tensor, prompts: list[str], steps: int) -> Result:
    started = time.process_time()
    record = way.run(subject, noise, prompts, steps)
    seconds = time.process_time() - started
    return _judged(way.name, record, subject, noise, prompts, seconds)


def _judged(
    name: str, record: RunRecord, subject: DemoSubject, noise: Tensor, prompts: list[str], seconds: float
) -> Result:
    found = scores(subject, pictures(subject, record.best_noise, prompts), prompts)
    whiteness = measure_whiteness(record.best_noise, noise)
    verdicts = [describe_whiteness(sample[None]) for sample in record.best_noise]
    return Result(
        name,
        record.steps,
        float(found["target"].mean()),
        float(found["held out: held out"].mean()),
        float(found["judge: autoencoder"].mean()),
        float(whiteness.excess_kurtosis.mean()),
        float(whiteness.cosine_to_start.mean()),
        verdicts.count(WHITE),
        float((record.start_reward - record.rewards[0]).mean()),
        float((record.best_reward - record.start_reward).mean()),
        seconds,
    )


def report(results: list[Result], count: int) -> str:
    head = ("way", "steps", "target", "held out", "realism error", "excess kurtosis", f"white, of {count}",
            "seeds gave", "ascent added", "seconds")
    return table(head, [
        (result.way, str(result.steps), f"{result.target:.2f}", f"{result.held_out:.2f}", f"{result.realism_error:.2f}",
         f"{result.kurtosis:+.2f}", str(result.white), f"{result.seeds_gain:.2f}", f"{result.ascent_gain:.2f}",
         f"{result.seconds:.0f}")
        for result in results
    ])


def parser() -> argparse.ArgumentParser:
    arguments = command_line("climbs", __doc__)
    arguments.add_argument("--noises", type=int, default=8, help="start noises (8)")
    arguments.add_argument("--steps", type=int, nargs="+", default=[20, 60], help="updates of each run (20 and 60)")
    return arguments


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    torch.set_num_threads(1)
    subject = DemoSubject()
    noise, prompts = noises(subject, range(FIRST_SEED, FIRST_SEED + options.noises))
    results = [measured(way, subject, noise, prompts, steps) for steps in options.steps for way in WAYS]
    print(report(results, options.noises))
    write_json(options.json, [asdict(result) for result in results])


if __name__ == "__main__":
    main()
