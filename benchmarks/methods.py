"""Compare the methods that optimize noise: who reaches which reward, how fast, and what becomes of the pictures.

    python -m benchmarks.methods                       # the demo world, any CPU; hours at the documented size
    python -m benchmarks.methods --quick               # minutes, to see it work
    COMFYUI_PATH=... python -m benchmarks.methods --comfyui --checkpoint flux1-schnell-fp8.safetensors \\
        --prompts animals --target aesthetic.safetensors,clip_vision/clip-l.safetensors \\
        --held-out pickscore.safetensors               # a real model and real rewards

Writes --out with its pictures beside it. Runs are kept in --results: a stopped comparison goes
on where it was, and a document is made again in a minute.
"""

import argparse
import logging
import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import torch

from .comparison.contenders import ABLATIONS, CONTENDERS, EXTENDED
from .comparison.protocol import Comparison, Plan
from .comparison.report import write_report
from .shared import DOCS, command_line

logger = logging.getLogger(__name__)

RESULTS = DOCS.parent / "benchmark_results"
PLAN = Plan(noises=64, tuning_noises=8, steps=100, tuning_steps=200, long_trials=("none", "mpgr", "gper"))
QUICK = Plan(noises=4, tuning_noises=2, steps=6, tuning_steps=12, long_trials=("none", "gper"), batch=4,
             timing_rounds=1)
SIZES = {
    "noises": "start noises of the comparison",
    "tuning_noises": "others, to choose step sizes on",
    "steps": "the budget, in steps of unprotected ascent",
    "tuning_steps": "of trials that are left running",
    "batch": "noises at once; 1 in ComfyUI",
}


def parser() -> argparse.ArgumentParser:
    arguments = command_line("methods", __doc__, json=False)
    add = arguments.add_argument
    add("--methods", nargs="+", metavar="NAME", help=f"of {', '.join(CONTENDERS)}; without "
        "those that end in -seeds or -near by default")
    add("--quick", action="store_true", help="a few noises and steps")
    for name, words in SIZES.items():
        add(f"--{name.replace('_', '-')}", type=int, help=f"{words} ({getattr(PLAN, name)})")
    add("--no-ablations", action="store_true")
    add("--out", type=Path, help="the document (docs/benchmarks.md; with --quick benchmark_results/quick.md)")
    add("--results", type=Path, default=RESULTS, help="folder of the runs")
    add("--threads", type=int, default=1, help="of the CPU (1)")
    add("--decoder-dtype", choices=("float32", "bfloat16"), default="float32",
        help="of the demo world's decoder while optimizing (float32); judged in float32 always")
    add_comfyui_options(arguments).add_argument("--sampler-steps", type=int, default=1,
                                                help="of the few-step model (1)")
    return arguments


def add_comfyui_options(arguments: argparse.ArgumentParser):
    """For a model by the names of its files; returns their group."""
    group = arguments.add_argument_group("a model in ComfyUI, by the names of its files there")
    add = group.add_argument
    add("--comfyui", action="store_true", help="compare on it; COMFYUI_PATH names the ComfyUI")
    for name in ("--checkpoint", "--diffusion-model", "--vae"):
        add(name)
    add("--text-encoders", nargs="+", default=[], metavar="FILE")
    add("--clip-type", default="flux")
    add("--target", metavar="FILE[,BACKBONE]", help="the reward to climb")
    add("--held-out", nargs="+", default=[], metavar="FILE[,BACKBONE]", help="rewards to watch")
    add("--prompts", default="animals", help="animals, compositions, or a file with one on each line")
    add("--size", type=int, default=512, help="of the pictures, in pixels (512)")
    return group


def chosen_plan(options: argparse.Namespace) -> Plan:
    """The plan that the options ask for. ValueError for numbers that cannot be meant."""
    wanted = {name: getattr(options, name) for name in SIZES if getattr(options, name) is not None}
    for name, value in wanted.items():
        if value < 1:
            raise ValueError(f"--{name.replace('_', '-')} is {value}: set it to 1 or more")
    plan = replace(QUICK if options.quick else PLAN, **({"batch": 1} if options.comfyui else {}) | wanted)
    return replace(plan, tuning_steps=max(plan.steps, plan.tuning_steps))


def chosen_methods(names: list[str] | None) -> dict:
    unknown = sorted(set(names or ()) - set(CONTENDERS))
    if unknown:
        raise ValueError(f"unknown method {unknown[0]!r}: choose from {', '.join(CONTENDERS)}")
    chosen = names or [name for name in CONTENDERS if name not in EXTENDED]
    return {name: contender for name, contender in CONTENDERS.items() if name in chosen}


def subjects(options: argparse.Namespace, plan: Plan) -> tuple:
    """Whom the methods work on, whom the judges work on, and the name of the folder of results."""
    if not options.comfyui:
        from .comparison.demo_subject import DemoSubject

        climbed = DemoSubject(options.decoder_dtype)
        watched = climbed if options.decoder_dtype == "float32" else DemoSubject()
        return climbed, watched, f"demo_world_{options.decoder_dtype}"
    subject, folder = comfyui_subject(options, options.sampler_steps, plan.batch)
    return subject, subject, folder


def comfyui_subject(options: argparse.Namespace, steps: int, batch: int) -> tuple:
    """The subject of the options of `add_comfyui_options`, and a name for a folder of its results."""
    if not options.target or not options.held_out:
        raise ValueError("--comfyui needs --target and at least one --held-out: files in models/reward_models")
    from tools import comfyui_in_process

    comfyui_in_process.start()
    from .comparison.comfyui_subject import PROMPTS, ComfyUISubject, ModelFiles, RewardFile

    models = ModelFiles(options.checkpoint, options.diffusion_model, tuple(options.text_encoders), options.clip_type,
                        options.vae)
    named = PROMPTS / f"{options.prompts}.txt"
    subject = ComfyUISubject.load(
        models, named if named.is_file() else Path(options.prompts), RewardFile.parse(options.target),
        [RewardFile.parse(text) for text in options.held_out], options.size, steps, batch)
    model = Path(options.checkpoint or options.diffusion_model).stem
    target = Path(options.target.partition(",")[0]).stem
    return subject, f"{model}_{target}_{Path(options.prompts).stem}_{options.size}"


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    try:
        plan, contenders = chosen_plan(options), chosen_methods(options.methods)
        climbed, watched, folder = subjects(options, plan)
    except ValueError as error:
        sys.exit(f"error: {error}")
    comparison = Comparison(climbed, watched, contenders, plan, options.results / folder)
    for name in contenders:
        comparison.trials(name)
    for name in contenders:
        logger.info("%s: step size %s", name, comparison.chosen(name))
        comparison.final(name)
    with_ablations = "gper" in contenders and not options.no_ablations
    for contender in ABLATIONS.values() if with_ablations else ():
        comparison.ablation(contender)
    said = shlex.join(sys.argv[1:] if arguments is None else arguments)
    out = options.out or (RESULTS / "quick.md" if options.quick else DOCS / "benchmarks.md")
    out.parent.mkdir(parents=True, exist_ok=True)
    write_report(comparison, out, with_ablations, f"python -m benchmarks.methods {said}".strip())
    logger.info("wrote %s", os.path.relpath(out))


if __name__ == "__main__":
    main()
