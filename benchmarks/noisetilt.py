"""Compare ways to sample towards a reward with a model of many steps: NoiseTilt, searches, guidance by the gradient.

    python -m benchmarks.noisetilt                     # the demo world, an hour or so of one CPU core
    python -m benchmarks.noisetilt --quick             # minutes, to see it work
    COMFYUI_PATH=... python -m benchmarks.noisetilt --comfyui --diffusion-model flux1-dev.safetensors \\
        --text-encoders clip_l.safetensors t5xxl_fp16.safetensors --vae ae.safetensors \\
        --target aesthetic.safetensors,clip_vision/clip-l.safetensors --held-out pickscore.safetensors

Writes a part of docs/noisetilt.md, with its numbers and pictures beside it. Runs are kept in --results: a stopped
comparison goes on where it was.
"""

import argparse
import logging
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import torch

from runs.whole_files import write_text_whole

from .comparison.subject_options import add_comfyui_options, comfyui_subject
from .methods import RESULTS
from .sampling.report import written
from .sampling.runs import Plan, Runs
from .sampling.subject import FEW_STEPS, FlowSubject
from .sampling.ways import REFERENCE, WAYS
from .shared import DOCS, command_line, write_json

QUICK = Plan(noises=4, tuning_noises=2, settings=2, batch=4)
BEGIN, END = "<!-- comparison: made by python -m benchmarks.noisetilt -->", "<!-- end of comparison -->"


def parser() -> argparse.ArgumentParser:
    arguments = command_line("noisetilt", __doc__, json=False)
    add = arguments.add_argument
    add("--ways", nargs="+", choices=WAYS, default=list(WAYS), metavar="NAME", help=f"of {', '.join(WAYS)}; all")
    add("--quick", action="store_true", help="a few noises and settings")
    for name, value in (("noises", Plan.noises), ("tuning-noises", Plan.tuning_noises), ("settings", Plan.settings),
                        ("batch", Plan.batch)):
        add(f"--{name}", type=int, help=f"({value})")
    add("--page", type=Path, help="the page with the part between the markers (docs/noisetilt.md; with --quick "
        "benchmark_results/noisetilt.md, begun where there is none)")
    add("--results", type=Path, default=RESULTS, help="folder of the runs")
    add("--decoder-dtype", choices=("float32", "bfloat16"), default="bfloat16",
        help="of the demo world's decoder while sampling (bfloat16); judged in float32 always")
    add_comfyui_options(arguments)
    return arguments


def chosen_plan(options: argparse.Namespace) -> Plan:
    plan = QUICK if options.quick else Plan()
    wanted = {name: getattr(options, name) for name in ("noises", "tuning_noises", "settings", "batch")}
    for name, value in wanted.items():
        if value is not None and value < 1:
            raise ValueError(f"--{name.replace('_', '-')} is {value}: set it to 1 or more")
    if options.comfyui:
        plan = replace(plan, batch=1)
    return replace(plan, **{name: value for name, value in wanted.items() if value is not None})


def page_with(page: str, text: str) -> str:
    """The page with this text between the markers, at its end where it has none."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2] or chr(10)}"


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    try:
        plan = chosen_plan(options)
        if options.comfyui:
            climbed, folder = comfyui_subject(options, FEW_STEPS, plan.batch)
            watched = climbed
        else:
            climbed, watched, folder = FlowSubject(options.decoder_dtype), FlowSubject(), options.decoder_dtype
    except ValueError as error:
        sys.exit(f"error: {error}")
    runs = Runs(climbed, watched, plan, options.results / f"noisetilt_{folder}")
    names = [name for name in WAYS if name in {*options.ways, REFERENCE}]
    for name in names:
        runs.finals(WAYS[name])
    page = options.page or (RESULTS if options.quick else DOCS) / "noisetilt.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    said = shlex.join(sys.argv[1:] if arguments is None else arguments)
    text, numbers = written(runs, names, page.with_suffix(""), f"python -m benchmarks.noisetilt {said}".strip())
    write_json(page.with_name(f"{page.stem}_comparison.json"), numbers)
    write_text_whole(page, page_with(page.read_text(encoding="utf-8") if page.exists() else "", text))


if __name__ == "__main__":
    main()
