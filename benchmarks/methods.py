"""Compare the methods that optimize noise: who reaches which reward, how fast, and what becomes of the pictures.

    python -m benchmarks.methods                       # the demo world at three sizes, any CPU; hours
    python -m benchmarks.methods --quick               # a minute, to see it work
    COMFYUI_PATH=... python -m benchmarks.methods --comfyui --checkpoint flux1-schnell-fp8.safetensors \\
        --prompts animals --target aesthetic.safetensors,clip_vision/clip-l.safetensors \\
        --held-out pickscore.safetensors               # a real model and real rewards

Every gradient method runs as published, with seeds first, with a strength, with both, and with both and the steps of
the effort "balanced". Writes --out with its pictures beside it. Runs are kept in --results: a stopped comparison goes
on where it was, and a document is made again in minutes. Two processes may share the work, each with methods or a
size of its own and an --out of its own; the document comes last, from a call that names everything.
"""

import argparse
import logging
import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import torch

from .comparison.contenders import METHODS, PUBLISHED, REFERENCE, SEARCHES, WAYS, contenders
from .comparison.findings import Findings
from .comparison.goals import RANGE
from .comparison.protocol import LONG_RUNS, Comparison, Plan
from .comparison.report import write_report
from .comparison.subject_options import add_comfyui_options, comfyui_subject
from .shared import DOCS, command_line

logger = logging.getLogger(__name__)

RESULTS = DOCS.parent / "benchmark_results"
TUNED_AT = 64  # pixels; other sizes take the settings over
PLANS = {
    TUNED_AT: Plan(),
    128: Plan(noises=32, long_noises=8, batch=4),
    256: Plan(noises=16, long_noises=4, batch=1, efforts=("plain", "quick", "balanced")),
}
QUICK = Plan(noises=2, tuning_noises=2, steps=10, step_sizes=2, strengths=(0.2,), long_steps=4, long_noises=2,
             efforts=(), batch=4, timing_rounds=1)
FEW_WAYS = ("plain", "balanced")  # at the sizes where nothing is chosen
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
    add("--methods", nargs="+", metavar="NAME", default=[*PUBLISHED, *SEARCHES], help=f"of {', '.join(METHODS)}")
    add("--ways", nargs="+", metavar="NAME", help=f"of {', '.join(WAYS)}: all at {TUNED_AT} px and in ComfyUI, "
        f"{', '.join(FEW_WAYS)} elsewhere")
    add("--sizes", type=int, nargs="+", metavar="PIXELS", help=f"of the demo world ({' '.join(map(str, PLANS))})")
    add("--quick", action="store_true", help=f"a few noises and steps, at {TUNED_AT} px")
    for name, words in NUMBERS.items():
        values = ", ".join(str(getattr(plan, name)) for plan in PLANS.values())
        add(f"--{name.replace('_', '-')}", type=int, nargs="+",
            help=f"{words}: one for all sizes, or one for each ({values})")
    add("--out", type=Path, help="the document (docs/benchmarks.md; with --quick benchmark_results/quick.md)")
    add("--results", type=Path, default=RESULTS, help="folder of the runs")
    add("--threads", type=int, default=1, help="of the CPU (1)")
    add("--decoder-dtype", choices=("float32", "bfloat16"), default="float32",
        help="of the demo world's decoder while optimizing (float32); judged in float32 always")
    add_comfyui_options(arguments).add_argument("--sampler-steps", type=int, default=1,
                                                help="of the few-step model (1)")
    return arguments


def chosen_plans(options: argparse.Namespace) -> dict[int, Plan]:
    """By size. ValueError for numbers that cannot be meant."""
    sizes = [options.size] if options.comfyui else options.sizes or ([TUNED_AT] if options.quick else list(PLANS))
    unknown = sorted(set(sizes) - set(PLANS))
    if unknown and not options.comfyui:
        raise ValueError(f"--sizes {unknown[0]}: the demo world has {', '.join(map(str, PLANS))}")
    plans = {}
    for place, size in enumerate(sizes):
        plan = QUICK if options.quick else PLANS.get(size, PLANS[TUNED_AT])
        plan = replace(plan, batch=1) if options.comfyui else plan
        for name in NUMBERS:
            values = getattr(options, name)
            if values is None:
                continue
            if min(values) < 1 or len(values) not in (1, len(sizes)):
                raise ValueError(f"--{name.replace('_', '-')} {' '.join(map(str, values))}: set it to 1 or more, once "
                                 "or for each size")
            plan = replace(plan, **{name: values[place % len(values)]})
        plans[size] = plan
    return plans


def check_names(given: list[str], known: dict, what: str) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"unknown {what} {unknown[0]!r}: choose from {', '.join(known)}")


def comparisons(options: argparse.Namespace) -> list[Comparison]:
    """Of every size, the one that settings are chosen at first."""
    plans = chosen_plans(options)
    check_names(options.methods, METHODS, "method")
    check_names(options.ways or [], WAYS, "way")

    def efforts_of(plan: Plan) -> tuple[str, ...]:
        return plan.efforts if REFERENCE in options.methods else ()

    if options.comfyui:
        (plan,) = plans.values()
        subject, folder = comfyui_subject(options, options.sampler_steps, plan.batch)
        every = contenders(options.methods, options.ways or list(WAYS), efforts_of(plan))
        return [Comparison(subject, subject, every, plan, options.results / folder)]
    from .comparison.demo_subject import DemoSubject

    found: list[Comparison] = []
    for size in sorted(plans, key=lambda size: size != TUNED_AT):
        climbed = DemoSubject(options.decoder_dtype, size)
        watched = climbed if options.decoder_dtype == "float32" else DemoSubject(size=size)
        folder = options.results / f"demo_world_{options.decoder_dtype}_{size}"
        ways = options.ways or (FEW_WAYS if found else list(WAYS))
        every = contenders(options.methods, ways, efforts_of(plans[size]))
        found.append(Comparison(climbed, watched, every, plans[size], folder, found[0] if found else None))
    return found


def run(comparison: Comparison) -> None:
    """Everything that the document needs, so that it is logged as it comes."""
    for name in comparison.contenders:
        logger.info("%s: strength and step size %s", name, comparison.chosen(name))
        comparison.tried(name)
        comparison.final(name)
    for name in (name for name in LONG_RUNS if name in comparison.contenders):
        for factor in RANGE:
            comparison.long_run(name, factor)


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    try:
        found = comparisons(options)
    except ValueError as error:
        sys.exit(f"error: {error}")
    for comparison in found:
        run(comparison)
    said = shlex.join(sys.argv[1:] if arguments is None else arguments)
    out = options.out or (RESULTS / "quick.md" if options.quick else DOCS / "benchmarks.md")
    out.parent.mkdir(parents=True, exist_ok=True)
    write_report([Findings(comparison) for comparison in found], out, f"python -m benchmarks.methods {said}".strip())
    logger.info("wrote %s", os.path.relpath(out))


if __name__ == "__main__":
    main()
