"""Is the gradient the same in every way in which ComfyUI places weights?

    COMFYUI_PATH=... python -m benchmarks.memory_modes [--device cuda] [--size small] [--layouts flux sdxl]

To be run with the Python that runs ComfyUI, with diffusers and websocket-client beside. Random models are written into
a temporary folder; for each way of placing weights a ComfyUI server is started, which loads them by its stock loaders
and computes the gradient through the pack, with memory = keep and = recompute. Each gradient is compared with that of a
server which keeps every weight on the card, so the card must hold the model. Models are measured in float32 and in
bfloat16, from the same numbers.

Sizes: tiny (to try the script), small (FLUX of 0.3 billion parameters, SDXL of 1.2), full (FLUX.1-schnell and SDXL,
12 and 2.6 billion; needs 50 GB of main memory). Exit status: 0 where every gradient is the same, 1 where one is not or
is missing, 2 for options that cannot be.

Columns: *on the card*, the share of the weights, and whether dynamic VRAM streams them. *relative L2*, *cosine*: to the
reference, with repeatable arithmetic on both sides. *as run*: the relative L2 of the gradient that a user's run
computes. *peak*: of PyTorch's allocator; under dynamic VRAM weights lie outside it.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from tools.comfyui_installs import newest_comfyui, version_text

from ..shared import command_line, write_json
from .models import LAYOUTS, SIZES, Subject, write_models
from .report import LIMITS, Run, all_same, compared, markdown
from .serving import HALF, WAYS, known_flags, possible_ways, run_on_server, with_half, write_paths

MEMORIES = ("keep", "recompute")


def main() -> int:
    options = read_options()
    # Deterministic matrix products need it, before the server's first one.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    ways, missing = possible_ways(WAYS[options.device], known_flags(options.comfyui))
    for way in missing:
        print(f"ComfyUI {version_text(options.comfyui)} has no {' '.join(way)}: left out", file=sys.stderr)
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        subjects = write_models(options.layouts, options.size, Path(folder), options.comfyui)
        paths = write_paths(Path(folder))
        for subject in subjects:
            for dtype in options.dtypes:
                runs += every_way(options, paths, ways, subject, dtype)
    rows = compared(runs)
    print(markdown(rows))
    write_json(options.json, {
        "command": "python -m benchmarks.memory_modes " + " ".join(sys.argv[1:]),
        "comfyui": version_text(options.comfyui), "size": options.size, "side": options.side, "rows": rows})
    return 0 if all_same(rows) else 1


def read_options() -> argparse.Namespace:
    parser = command_line("memory_modes", __doc__)
    parser.add_argument("--device", choices=tuple(WAYS), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--layouts", nargs="+", choices=tuple(LAYOUTS), default=list(LAYOUTS))
    parser.add_argument("--dtypes", nargs="+", choices=tuple(LIMITS), default=list(LIMITS))
    parser.add_argument("--side", type=int, default=256, help="pixels")
    parser.add_argument("--steps", type=int, default=2, help="measured steps per run")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: PyTorch sees no CUDA device here")
    if options.side < 16 or options.side % 16:
        parser.error(f"--side is {options.side}: a multiple of 16")
    if options.steps < 1:
        parser.error(f"--steps is {options.steps}: 1 or more")
    if options.json and not options.json.parent.is_dir():
        parser.error(f"--json is {options.json}: its folder does not exist")
    try:
        options.comfyui = newest_comfyui()
    except ValueError as error:
        parser.error(str(error))
    return options


def every_way(options: argparse.Namespace, paths: Path, ways: list[tuple[str, ...]], subject: Subject,
              dtype: str) -> Iterator[Run]:
    resident = {}
    for way in ways:
        # how much is to be reserved depends on what a step needs
        groups = [(memory,) for memory in MEMORIES] if HALF in way else [MEMORIES]
        for memories in groups:
            flags = way
            if HALF in way:
                if memories[0] not in resident:
                    yield Run(subject.layout, dtype, way, memories[0], failure="not tried: the reference failed")
                    continue
                flags = with_half(way, resident[memories[0]])
            print(f"{subject.layout}, {dtype}: {' '.join(flags) or 'no flags'}", file=sys.stderr)
            runs = run_on_server(options.comfyui, paths, flags, subject, dtype, memories, options.side, options.steps)
            if way == ways[0]:
                resident = {run.memory: run.facts for run in runs if run.gradient is not None}
            yield from runs


if __name__ == "__main__":
    sys.exit(main())
