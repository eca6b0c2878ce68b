"""What a batch costs beside the bare workflow, what a second worker brings, and a thousand jobs in a row.

    COMFYUI_PATH=... OMP_NUM_THREADS=1 python -m benchmarks.batch [overhead] [workers] [thousand] [--json FILE]

overhead: the demo workflow, queued on one server over HTTP and waited for, then through a batch with one worker:
seconds per job, the first one of each left out, which loads the models. workers: jobs a minute with one worker and
with two, of one thread each. thousand: as many jobs of a picture of one colour; memory of the driver over time, and the
seconds that the same command takes when all is there. Other work on the machine spoils every number.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from batch.cluster import running_workers
from batch.driver import Driver
from batch.job_queue import JobQueue
from batch.jobs import Job
from batch.overrides import overridden
from batch.own_server import OwnServer
from batch.progress import Progress
from batch.report import GrowingPage, write_report
from batch.request import Request, read_request
from batch.results import SETTINGS, Results
from batch.worker import WorkerSettings
from tools.comfyui_installs import newest_comfyui, version_text

from .shared import command_line, write_json

DEMO = Path(__file__).parent.parent / "workflows" / "api" / "demo.json"
ONE_COLOUR = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "colour"}},
}
PARTS = ("overhead", "workers", "thousand")
SAMPLED_EVERY = 100  # jobs, between two looks at the memory


class Clock(Progress):
    """Remembers when each job was done, and the memory of this process now and then."""

    def __init__(self, total: int) -> None:
        super().__init__(total, 0)
        self.times: list[float] = []
        self.memory: list[float] = []

    def add(self, record: dict[str, Any]) -> None:
        super().add(record)
        self.times.append(time.perf_counter())
        if len(self.times) % SAMPLED_EVERY == 0:
            self.memory.append(memory_of_this_process())


def memory_of_this_process() -> float:
    """Resident, in MiB."""
    import psutil

    return psutil.Process().memory_info().rss / 2**20


def demo_request(folder: Path, jobs: int, steps: int) -> Request:
    (folder / "prompts.txt").write_text("a landscape\n")
    arguments = [folder / "prompts.txt", "--workflow", DEMO, "--out", folder / "out", "--seeds", jobs]
    return read_request([*map(str, arguments), "--set", f"8.steps={steps}", "--set", "3.batch_size=1"])


def colour_request(folder: Path, jobs: int) -> Request:
    (folder / "colours.json").write_text(json.dumps(ONE_COLOUR))
    (folder / "prompts.jsonl").write_text("".join(f'{{"1.color": {i}}}\n' for i in range(jobs)))
    arguments = [folder / "prompts.jsonl", "--workflow", folder / "colours.json", "--out", folder / "out"]
    return read_request(list(map(str, arguments)))


def bare(request: Request, jobs: list[Job]) -> list[float]:
    """Seconds of each job but the first, queued on one server and waited for, nothing fetched."""
    server = OwnServer(newest_comfyui(), cpu=True, threads=1)
    client = server.start()
    seconds = []
    try:
        for job in jobs:
            began = time.perf_counter()
            queued = client.post("/prompt", {"prompt": overridden(request.workflow, job.values)})["prompt_id"]
            while queued not in client.get(f"/history/{queued}"):
                time.sleep(0.01)
            seconds.append(time.perf_counter() - began)
    finally:
        server.stop()
    return seconds[1:]


def batch(request: Request, jobs: list[Job], workers: int) -> Clock:
    """Run the jobs through workers of one thread each; when each was done."""
    comfyui = newest_comfyui()
    results = Results(request.options.out)
    results.prepare()
    rows = [row.label for row in request.rows]
    settings = {"workflow": "x.json", "keep": 1, "top": 20, "rows": rows}
    settings["jobs"] = [[job.key, job.row, job.seed] for job in jobs]
    results.write_text(results.folder / SETTINGS, json.dumps(settings))
    worker = WorkerSettings(comfyui, None, True, 1, 900, version_text(comfyui))
    clock, page = Clock(len(jobs)), GrowingPage(results, settings)
    with running_workers(worker, "all", workers, None, None) as actors:
        Driver(request.workflow, JobQueue(jobs), results, actors, clock, lambda: page(clock.done)).run()
    write_report(results, settings)
    return clock


def overhead(folder: Path, jobs: int, steps: int) -> dict[str, float]:
    request = demo_request(folder, jobs, steps)
    planned = request.jobs({})
    alone = statistics.median(bare(request, planned))
    times = batch(request, planned, 1).times
    through = statistics.median([after - before for before, after in zip(times, times[1:], strict=False)])
    return {"bare_seconds": alone, "batch_seconds": through, "overhead_seconds": through - alone}


def workers(folder: Path, jobs: int, steps: int) -> dict[str, float]:
    """From the first job of the last worker that began, so that no start counts."""
    minutes = {}
    for count in (1, 2):
        place = folder / str(count)
        place.mkdir()
        request = demo_request(place, jobs * count, steps)
        times = batch(request, request.jobs({}), count).times
        minutes[count] = 60 * (len(times) - 2 * count) / (times[-count] - times[count - 1])
    return {"one_worker": minutes[1], "two_workers": minutes[2], "times": minutes[2] / minutes[1]}


def thousand(folder: Path, jobs: int) -> dict[str, Any]:
    request = colour_request(folder, jobs)
    began = time.perf_counter()
    clock = batch(request, request.jobs({}), 1)
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    results = Results(request.options.out)
    left = [job for job in request.jobs({}) if job.key not in results.done()]
    write_report(results, json.loads((results.folder / SETTINGS).read_text()))
    assert not left and len(results.done()) == jobs
    return {
        "seconds": seconds,
        "seconds_per_job": (clock.times[-1] - clock.times[0]) / (jobs - 1),
        "driver_mib": clock.memory,
        "seconds_to_resume": time.perf_counter() - began,
    }


def main() -> int:
    parser = command_line("batch", __doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"which of {', '.join(PARTS)}; all by default")
    parser.add_argument("--jobs", type=int, default=8, help="of the demo workflow, for each worker")
    parser.add_argument("--steps", type=int, default=60, help="of each of them")
    parser.add_argument("--tiny", type=int, default=1000, help="jobs of one colour")
    options = parser.parse_args()
    if set(options.parts) - set(PARTS):
        parser.error(f"the parts are {', '.join(PARTS)}")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    measured = {}
    for part in options.parts or PARTS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if part == "thousand":
                measured[part] = thousand(folder, options.tiny)
            else:
                measured[part] = {"overhead": overhead, "workers": workers}[part](folder, options.jobs, options.steps)
        print(part, json.dumps(measured[part], indent=1), flush=True)
    write_json(options.json, measured)
    return 0


if __name__ == "__main__":
    sys.exit(main())
