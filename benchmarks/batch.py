"""What a batch costs beside the bare workflow, what a second worker brings, and a thousand jobs in a row.

    COMFYUI_PATH=... OMP_NUM_THREADS=1 python -m benchmarks.batch [overhead] [workers] [thousand] [--json FILE]

overhead: the demo workflow with one step, queued on one server over HTTP and waited for, then through a batch with one
worker, which fetches and keeps its files too: median seconds per job, without the first one, which loads the models.
The jobs are short, so that their own spread does not hide the difference. workers: jobs a minute with one worker and
with two, of one thread each. thousand: as many jobs of a picture of one colour; memory of the command over time, and
the seconds that it takes when all is there. Other work on the machine spoils the numbers, most of all those of
`workers`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from batch.overrides import overridden
from batch.own_server import OwnServer
from batch.request import read_request
from batch.results import JOBS
from tools.comfyui_installs import newest_comfyui

from .shared import command_line, write_json

ROOT = Path(__file__).parent.parent
ONE_COLOUR = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "colour"}},
}
LONG_JOB = 30  # seconds
SAMPLED_EVERY = 100  # jobs, between two looks at the memory


def demo(folder: Path, jobs: int, steps: int) -> list[str]:
    """The command's arguments for so many jobs of the demo workflow, at 64 pixels."""
    (folder / "prompts.txt").write_text("a landscape\n")
    return [str(folder / "prompts.txt"), "--workflow", str(ROOT / "workflows" / "api" / "demo.json"), "--out",
            str(folder / "out"), "--seeds", str(jobs), "--set", f"8.steps={steps}", "--set", "3.batch_size=1",
            "--set", "3.width=64", "--set", "3.height=64"]


def bare(arguments: list[str]) -> list[float]:
    """Seconds of each job but the first, queued on one server and waited for, nothing fetched."""
    request, server = read_request(arguments), OwnServer(newest_comfyui(), cpu=True, threads=1)
    client, moments = server.start(), []
    try:
        for job in request.jobs({}):
            queued = client.post("/prompt", {"prompt": overridden(request.workflow, job.values)})["prompt_id"]
            while queued not in client.get(f"/history/{queued}"):
                time.sleep(0.01)
            moments.append(time.perf_counter())
    finally:
        server.stop()
    return [after - before for before, after in pairwise(moments)]


def batch(arguments: list[str], workers: int) -> tuple[list[float], list[float]]:
    """Run the command with workers of one thread each: when each job was done, and its resident MiB now and then."""
    jobs = Path(arguments[arguments.index("--out") + 1]) / JOBS
    command = psutil.Popen([sys.executable, "-m", "batch", *arguments, "--workers", str(workers)], cwd=ROOT,
                           env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
    memory: list[float] = []
    while command.poll() is None:
        if jobs.is_dir() and len(list(jobs.iterdir())) >= SAMPLED_EVERY * (len(memory) + 1):
            memory.append(command.memory_info().rss / 2**20)
        time.sleep(0.2)
    if command.returncode:
        raise RuntimeError(f"the batch ended with code {command.returncode}")
    return sorted(place.stat().st_mtime for place in jobs.iterdir()), memory


def overhead(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    arguments = demo(folder, options.short, steps=1)
    alone = statistics.median(bare(arguments))
    times, _ = batch(arguments, 1)
    through = statistics.median(after - before for before, after in pairwise(times))
    return {"bare_seconds": alone, "batch_seconds": through, "overhead_seconds": through - alone,
            "of_30_s": (through - alone) / LONG_JOB}


def workers(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """From the first job of the last worker that began, so that no start counts."""
    per_minute = {}
    for count in (1, 2):
        (folder / str(count)).mkdir()
        times, _ = batch(demo(folder / str(count), options.jobs * count, options.steps), count)
        per_minute[count] = 60 * (len(times) - 2 * count) / (times[-count] - times[count - 1])
    return {"one_worker": per_minute[1], "two_workers": per_minute[2], "times": per_minute[2] / per_minute[1]}


def thousand(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    (folder / "colours.json").write_text(json.dumps(ONE_COLOUR))
    (folder / "colours.jsonl").write_text("".join(f'{{"1.color": {colour}}}\n' for colour in range(options.tiny)))
    arguments = [str(folder / "colours.jsonl"), "--workflow", str(folder / "colours.json"), "--out",
                 str(folder / "out")]
    began = time.perf_counter()
    times, memory = batch(arguments, 1)
    ended = time.perf_counter()
    assert batch(arguments, 1)[0] == times and len(times) == options.tiny
    return {"seconds": ended - began, "seconds_per_job": (times[-1] - times[0]) / (options.tiny - 1),
            "driver_mib": memory, "seconds_to_resume": time.perf_counter() - ended}


PARTS = {part.__name__: part for part in (overhead, workers, thousand)}


def main() -> None:
    parser = command_line("batch", __doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"which of {', '.join(PARTS)}; all by default")
    parser.add_argument("--short", type=int, default=40, help="jobs of `overhead`")
    parser.add_argument("--jobs", type=int, default=8, help="jobs of `workers`, for each worker")
    parser.add_argument("--steps", type=int, default=60, help="of each of those")
    parser.add_argument("--tiny", type=int, default=1000, help="jobs of `thousand`")
    options = parser.parse_args()
    if set(options.parts) - set(PARTS):
        parser.error(f"the parts are {', '.join(PARTS)}")
    measured = {}
    for part in options.parts or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            measured[part] = PARTS[part](Path(folder), options)
        print(part, json.dumps(measured[part], indent=1), flush=True)
    write_json(options.json, measured)


if __name__ == "__main__":
    main()
