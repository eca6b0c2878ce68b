"""Ascend small, finish large: what of a gain at a smaller size survives Resize Noise, and what it costs.

    python -m benchmarks.small_then_large                     # the demo world, some 20 minutes of one CPU core
    python -m benchmarks.small_then_large --noises 2 --pairs 64:128

Each noise is drawn at the small size. Either it is resized at once, and the effort "balanced" runs at the large size.
Or the effort runs at the small size, its result is resized, and a few more steps follow at the large size, without
further seeds.
"""

import argparse
import logging
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain

import torch
from torch import Tensor

from preconditioning import measure_whiteness, resize_white_noise

from .comparison.cells import noises, pictures, scores
from .comparison.contenders import EFFORT_RUNS, METHODS, OURS, REFERENCE, SEED_SEARCH, SHIPPED, Ascent, Task
from .comparison.demo_subject import DECODER_DTYPES, DemoSubject
from .comparison.findings import interval
from .comparison.protocol import Plan, seconds_per_step
from .comparison.statistics import Interval
from .shared import command_line, machine, table, write_json

logger = logging.getLogger(__name__)

PAIRS = ("64:128", "128:256", "64:256")
FIRST_SEED = 300_000
FINISHING_STEPS = (5, 10)
BATCHES = {64: 16, 128: 4, 256: 1}
EFFORT = EFFORT_RUNS[OURS]
SCORES = {"target": "target", "held out": "held out: held out", "error": "judge: autoencoder"}


@dataclass(frozen=True)
class Row:
    """One way to a picture of the large size. seconds: of processor time for one noise. scores: by name."""

    small: int
    large: int
    way: str
    seconds: float
    scores: dict[str, Interval]


class Climber:
    """Climbs at one size, and knows what that costs. seed_seconds, step_seconds: of one noise."""

    def __init__(self, size: int, decoder_dtype: str) -> None:
        self.size, self.batch = size, BATCHES[size]
        self.subject, self.watched = DemoSubject(decoder_dtype, size), DemoSubject(size=size)
        plan = Plan(noises=self.batch, batch=self.batch, timing_rounds=3)
        found = seconds_per_step([METHODS[REFERENCE], METHODS[SEED_SEARCH]], self.subject, plan)
        self.step_seconds, self.seed_seconds = found[REFERENCE], found[SEED_SEARCH]

    def best(self, noise: Tensor, prompts: list[str], seeds: range, run: Ascent) -> Tensor:
        """The best noise (B, C, H, W) that the run finds from these."""
        found = []
        for start in range(0, len(noise), self.batch):
            part = slice(start, start + self.batch)
            task = Task(noise[part], partial(self.subject.generate, prompts=prompts[part]),
                        partial(self.subject.reward, prompts=prompts[part]), tuple(seeds[part]),
                        self.subject.graph_context)
            rate = run.recipe.learning_rate(self.subject.learning_rate)
            found.append(run.run(task, rate, run.steps, lambda step: None).best_noise)
        return torch.cat(found)

    def seconds(self, run: Ascent) -> float:
        return run.seeds * self.seed_seconds + run.steps * self.step_seconds

    def scores(self, noise: Tensor, prompts: list[str]) -> dict[str, Interval]:
        """Of the pictures, with the excess kurtosis of the noise."""
        found = scores(self.watched, pictures(self.watched, noise, prompts), prompts)
        told = {name: interval(key, found[key].numpy()) for name, key in SCORES.items()}
        kurtosis = measure_whiteness(noise).excess_kurtosis
        return told | {"excess kurtosis": interval("excess kurtosis", kurtosis.numpy())}


def compared(small: Climber, large: Climber, count: int) -> Iterator[Row]:
    """Every way, on so many noises."""
    seeds = range(FIRST_SEED, FIRST_SEED + count)
    drawn, prompts = noises(small.subject, seeds)

    def resized(noise: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(FIRST_SEED)
        return resize_white_noise(noise, *large.subject.latent_shape[1:], generator)

    def row(way: str, seconds: float, noise: Tensor) -> Row:
        logger.info("%d to %d pixels, %s", small.size, large.size, way)
        return Row(small.size, large.size, way, seconds, large.scores(noise, prompts))

    start = resized(drawn)
    yield row("before", 0.0, start)
    yield row("all large", large.seconds(EFFORT), large.best(start, prompts, seeds, EFFORT))
    begun = resized(small.best(drawn, prompts, seeds, EFFORT))
    yield row("all small, resized", small.seconds(EFFORT), begun)
    for steps in FINISHING_STEPS:
        finish = replace(EFFORT, seeds=0, steps=steps)
        yield row(f"all small, then {steps} steps large", small.seconds(EFFORT) + large.seconds(finish),
                  large.best(begun, prompts, seeds, finish))


def report(rows: list[Row]) -> str:
    """In Markdown. The gain is in the target, of that of "all large"; the time too."""
    lines = []
    for row in rows:
        of_pair = {other.way: other for other in rows if (other.small, other.large) == (row.small, row.large)}
        before, whole = of_pair["before"], of_pair["all large"]
        gain = ((row.scores["target"].value - before.scores["target"].value)
                / (whole.scores["target"].value - before.scores["target"].value))
        lines.append([f"{row.small} to {row.large}", row.way, *(found.with_ends() for found in row.scores.values()),
                      f"{gain:.0%}", f"{row.seconds / whole.seconds:.0%}"])
    return table(("pixels", "way", *rows[0].scores, "gain", "time"), lines)


def parser() -> argparse.ArgumentParser:
    arguments = command_line("small_then_large", __doc__)
    add = arguments.add_argument
    add("--pairs", nargs="+", metavar="SMALL:LARGE", choices=PAIRS, default=PAIRS, help=f"pixels ({' '.join(PAIRS)})")
    add("--noises", type=int, default=16, help="for each pair (16)")
    add("--decoder-dtype", choices=DECODER_DTYPES, default="bfloat16", help="while optimizing (bfloat16)")
    return arguments


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    if options.noises < 1:
        sys.exit(f"error: --noises {options.noises}: set it to 1 or more")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    pairs = [tuple(map(int, pair.split(":"))) for pair in options.pairs]
    climbers = {size: Climber(size, options.decoder_dtype) for size in sorted(set(chain.from_iterable(pairs)))}
    rows = [row for small, large in pairs for row in compared(climbers[small], climbers[large], options.noises)]
    print(report(rows))
    write_json(options.json, {"machine": machine(), "noises": options.noises, "decoder": options.decoder_dtype,
                              "effort": asdict(SHIPPED), "rows": [asdict(row) for row in rows]})


if __name__ == "__main__":
    main()
