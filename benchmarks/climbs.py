"""What helps an ascent beyond the paper: seeds first, a limit on how far it goes, steps that fall, momentum.

    python -m benchmarks.climbs                  # the demo world, some six minutes of one CPU core
    python -m benchmarks.climbs --json FILE

Each way starts from the same noises, on which no setting was chosen. A row holds means over the noises, each at its
best; eight of them tell large differences from none, and no more.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

import torch

from optimization import Step
from preconditioning import RECIPES, describe_whiteness, measure_whiteness
from preconditioning.whiteness_verdict import WHITE

from .comparison.cells import pictures, scores, task_of
from .comparison.contenders import MOMENTUM, SEEDS, STRENGTH, Ascent
from .comparison.demo_subject import DemoSubject, Subject
from .shared import command_line, table_of, write_json

FIRST_SEED = 300_000  # neither the tuning noises of the comparison nor its final ones
GPER, PRNO = RECIPES["GPER"], RECIPES["PRNO"]
NEAR_GPER, NEAR_PRNO, NEAR_MOMENTUM = (replace(recipe, strength=STRENGTH) for recipe in (GPER, PRNO, MOMENTUM))
WAYS = [Ascent(name, name, recipe, (step_size,), seeds) for name, recipe, step_size, seeds in (
    ("GPER as in the paper, 0.05", GPER, 0.05, 0),
    ("the same, seeds first", GPER, 0.05, SEEDS),
    ("the same, strength 0.2", NEAR_GPER, 0.05, 0),
    ("the same, seeds first, strength 0.2", NEAR_GPER, 0.05, SEEDS),
    ("GPER, falling 0.1, seeds first, strength 0.2", NEAR_GPER.stepping("falling"), 0.1, SEEDS),
    ("GPER, falling momentum 0.1, seeds first", MOMENTUM, 0.1, SEEDS),
    ("the same, strength 0.2", NEAR_MOMENTUM, 0.1, SEEDS),
    ("PRNO, 0.05", PRNO, 0.05, 0),
    ("the same, seeds first", PRNO, 0.05, SEEDS),
    ("the same, seeds first, strength 0.2", NEAR_PRNO, 0.05, SEEDS),
)]
COLUMNS = {
    "way": "{way}", "steps": "{steps}", "target": "{target:.2f}", "held out": "{held_out:.2f}",
    "realism error": "{realism_error:.2f}", "excess kurtosis": "{kurtosis:+.2f}", "white": "{white} of {noises}",
    "seeds gave": "{seeds_gave:.2f}", "ascent added": "{ascent_added:.2f}", "seconds": "{seconds:.0f}",
}


def measured(way: Ascent, subject: Subject, noises: int, steps: Sequence[int]) -> list[dict]:
    """A row after each of these numbers of steps: means over the noises. white: how many of them Noise Statistics finds
    white. seconds: of the process. Steps that fall depend on how many are planned: then a run for each."""
    if way.recipe.schedule != "constant" and len(steps) > 1:
        return [row for count in steps for row in measured(way, subject, noises, [count])]
    task, prompts = task_of(subject, range(FIRST_SEED, FIRST_SEED + noises))
    rows, started = [], time.process_time()

    def judge(step: Step) -> None:
        nonlocal started
        record = step.record
        if step.index < record.ascent_start or record.steps not in steps:
            return
        seconds, best = time.process_time() - started, record.best_noise
        found = scores(subject, pictures(subject, best, prompts), prompts)
        whiteness = measure_whiteness(best, task.noise)
        rows.append({
            "way": way.name,
            "steps": record.steps,
            "target": float(found["target"].mean()),
            "held_out": float(found["held out: held out"].mean()),
            "realism_error": float(found["judge: autoencoder"].mean()),
            "kurtosis": float(whiteness.excess_kurtosis.mean()),
            "cosine": float(whiteness.cosine_to_start.mean()),
            "white": [describe_whiteness(sample[None]) for sample in best].count(WHITE),
            "seeds_gave": float((record.start_reward - record.rewards[0]).mean()),
            "ascent_added": float((record.best_reward - record.start_reward).mean()),
            "seconds": seconds,
        })
        started = time.process_time() - seconds  # judging is not counted

    way.run(task, way.step_sizes[0], max(steps), judge)
    return rows


def main(arguments: list[str] | None = None, subject: Subject | None = None) -> None:
    parser = command_line("climbs", __doc__)
    parser.add_argument("--noises", type=int, default=8, help="start noises (8)")
    parser.add_argument("--steps", type=int, nargs="+", default=[20, 60], help="updates of each run (20 and 60)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    subject = subject or DemoSubject()
    rows = [row for way in WAYS for row in measured(way, subject, options.noises, options.steps)]
    print(table_of(COLUMNS, [row | {"noises": options.noises} for row in rows]))
    write_json(options.json, rows)


if __name__ == "__main__":
    main()
