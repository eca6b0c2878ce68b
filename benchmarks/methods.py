"""Compare the methods that optimize noise: who reaches which reward, how fast, and what becomes of the pictures.

    python -m benchmarks.methods                       # the demo world, any CPU; hours
    python -m benchmarks.methods --quick               # a minute, to see it work
    COMFYUI_PATH=... python -m benchmarks.methods --comfyui --checkpoint flux1-schnell-fp8.safetensors \\
        --prompts animals --target aesthetic.safetensors,clip_vision/clip-l.safetensors \\
        --held-out pickscore.safetensors               # a real model and real rewards

Every gradient method runs as published, with seeds first, with a strength, with both, and with both and the step rule
of the effort "balanced", for as long as the others and in its number of steps; at larger sizes fewer do, unless they
are named. Writes --out with its pictures beside it. Runs are kept in --results: a stopped comparison goes on where it
was, and a document is made again in minutes. Two processes may share the work, each with methods or a size of its own
and an --out of its own; the document comes last, from a call that names everything. Settings are chosen at the
smallest size, whether or not it is named.
"""

import argparse
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from .comparison.contenders import (
    LONGER,
    METHODS,
    OURS,
    PUBLISHED,
    REFERENCE,
    SEARCHES,
    STRENGTH,
    WAYS,
    Contender,
    contenders,
)
from .comparison.findings import Findings
from .comparison.protocol import Comparison, Plan
from .comparison.report import write_report
from .comparison.subject_options import add_comfyui_options, comfyui_subject
from .shared import DOCS, command_line

logger = logging.getLogger(__name__)

RESULTS = DOCS.parent / "benchmark_results"
TUNED_AT = 64  # pixels; other sizes take the settings over
# Where every step is long. What leaves white noise is helped in one way alone there.
FEW_WAYS, FEW_EFFORTS = ("plain", "both", "balanced"), ("effort-quick", OURS, LONGER)
LEFT_OUT = ("none-both", "reno-both", "mpgr-both")
PLANS = {
    TUNED_AT: Plan(),
    128: Plan(noises=32, long_noises=8, batch=4, efforts=FEW_EFFORTS, left_out=LEFT_OUT),
    256: Plan(noises=16, long_noises=6, long_of=(OURS,), batch=1, efforts=FEW_EFFORTS, left_out=LEFT_OUT),
}
QUICK = Plan(noises=2, tuning_noises=2, steps=10, step_sizes=2, strengths=(STRENGTH,), long_steps=4, long_noises=2,
             efforts=(OURS, LONGER), batch=4, timing_rounds=1)
COMFYUI = Plan(noises=8, tuning_noises=4, steps=30, step_sizes=3, strengths=(STRENGTH,), long_noises=2,
               efforts=FEW_EFFORTS, left_out=LEFT_OUT, batch=1)
NUMBERS = {
    "noises": "start noises of the comparison",
    "tuning_noises": f"others, to choose settings on, at {TUNED_AT} px",
    "steps": "the budget, in steps of GPER as published",
    "step_sizes": "that are tried of each method",
    "long_steps": "of the runs that are not stopped",
    "long_noises": "of those runs",
    "batch": "noises at once",
}


def parser() -> argparse.ArgumentParser:
    arguments = command_line("methods", __doc__, json=False)
    add = arguments.add_argument
    add("--methods", nargs="+", metavar="NAME", help=f"of {', '.join(METHODS)} (the published ones and the searches; "
        "at larger sizes without some: named ones always run)")
    add("--ways", nargs="+", metavar="NAME", help=f"of {', '.join(WAYS)}: all at {TUNED_AT} px, "
        f"{', '.join(FEW_WAYS)} elsewhere")
    add("--sizes", type=int, nargs="+", metavar="PIXELS",
        help=f"of the demo world, of {', '.join(map(str, PLANS))} ({TUNED_AT})")
    add("--quick", action="store_true", help=f"a few noises and steps, at {TUNED_AT} px")
    for name, words in NUMBERS.items():
        values = ", ".join(str(getattr(plan, name)) for plan in PLANS.values())
        add(f"--{name.replace('_', '-')}", type=int, nargs="+",
            help=f"{words}: one for all sizes, or one for each ({values}; in ComfyUI {getattr(COMFYUI, name)})")
    add("--out", type=Path, help="the document (docs/benchmarks.md; with --quick benchmark_results/quick.md)")
    add("--results", type=Path, default=RESULTS, help="folder of the runs")
    add("--threads", type=int, default=1, help="of the CPU (1)")
    add("--decoder-dtype", choices=("float32", "bfloat16"), default="float32",
        help="of the demo world's decoder while optimizing (float32); judged in float32 always")
    add_comfyui_options(arguments).add_argument("--sampler-steps", type=int, default=1,
                                                help="of the few-step model (1)")
    return arguments


def chosen_plans(options: argparse.Namespace) -> dict[int, Plan]:
    """By size. ValueError for what cannot be meant."""
    if options.comfyui and options.sizes:
        raise ValueError("--sizes is for the demo world: set --size to the pixels of ComfyUI's pictures")
    sizes = [options.size] if options.comfyui else options.sizes or [TUNED_AT]
    unknown = sorted(set(sizes) - set(PLANS))
    if unknown and not options.comfyui:
        raise ValueError(f"--sizes {unknown[0]}: the demo world has {', '.join(map(str, PLANS))}")
    for name in NUMBERS:
        values = getattr(options, name)
        if values and (min(values) < 1 or len(values) not in (1, len(sizes))):
            raise ValueError(f"--{name.replace('_', '-')} {' '.join(map(str, values))}: set it to 1 or more, once "
                             "or for each size")
    return {size: plan_of(options, size, place) for place, size in enumerate(sizes)}


def plan_of(options: argparse.Namespace, size: int, place: int = 0, names: Sequence[str] = tuple(NUMBERS)) -> Plan:
    """At the size in this place of several; with those numbers that have these names."""
    plan = COMFYUI if options.comfyui else QUICK if options.quick else PLANS[size]
    given = {name: values for name in names if (values := getattr(options, name))}
    return replace(plan, **{name: values[place % len(values)] for name, values in given.items()})


def check_names(given: list[str], known: dict, what: str) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"unknown {what} {unknown[0]!r}: choose from {', '.join(known)}")


def comparisons(options: argparse.Namespace) -> list[Comparison]:
    """Of every size."""
    plans = chosen_plans(options)
    methods = options.methods or [*PUBLISHED, *SEARCHES]
    check_names(methods, METHODS, "method")
    check_names(options.ways or [], WAYS, "way")

    def every(plan: Plan, ways: Sequence[str]) -> dict[str, Contender]:
        return contenders(methods, options.ways or ways, plan.efforts if REFERENCE in methods else (),
                          () if options.methods or options.ways else plan.left_out)

    if options.comfyui:
        (plan,) = plans.values()
        subject, folder = comfyui_subject(options, options.sampler_steps, plan.batch)
        return [Comparison(subject, subject, every(plan, FEW_WAYS), plan, options.results / folder)]
    from .comparison.demo_subject import DemoSubject, weights_digest

    if TUNED_AT not in plans:  # its settings are taken; of the numbers, those that settings depend on
        plans = {TUNED_AT: plan_of(options, TUNED_AT, names=("tuning_noises", "steps", "step_sizes")), **plans}
    asked, found, weights = options.sizes or [TUNED_AT], {}, weights_digest()
    for size in sorted(plans):
        climbed = DemoSubject(options.decoder_dtype, size)
        watched = climbed if options.decoder_dtype == "float32" else DemoSubject(size=size)
        folder = options.results / f"demo_world_{options.decoder_dtype}_{size}_{weights}"
        ways = list(WAYS) if size == TUNED_AT else FEW_WAYS
        found[size] = Comparison(climbed, watched, every(plans[size], ways), plans[size], folder, found.get(TUNED_AT))
    return [found[size] for size in dict.fromkeys(asked)]


def run(findings: Findings) -> None:
    """Everything that the document needs, so that it is logged as it comes."""
    comparison = findings.comparison
    for name, contender in comparison.contenders.items():
        if contender.seeds * comparison.seed_seconds >= comparison.budget:
            logger.warning("%s: the seeds first take more than the budget; give it more --steps", name)
        logger.info("%s: strength and step size %s", name, comparison.chosen(name))
        comparison.final(name)
    for name, factor in findings.long_runs:
        comparison.long_run(name, factor)


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    try:
        found = [Findings(comparison) for comparison in comparisons(options)]
    except ValueError as error:
        sys.exit(f"error: {error}")
    for findings in found:
        run(findings)
    said = shlex.join(sys.argv[1:] if arguments is None else arguments)
    out = options.out or (RESULTS / "quick.md" if options.quick else DOCS / "benchmarks.md")
    out.parent.mkdir(parents=True, exist_ok=True)
    write_report(found, out, f"python -m benchmarks.methods {said}".strip())
    logger.info("wrote %s", os.path.relpath(out))


if __name__ == "__main__":
    main()
