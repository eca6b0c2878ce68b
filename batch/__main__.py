"""`python run.py batch`: see batch/request.py for its options."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

from tools.comfyui_installs import newest_comfyui, version_text

from .comfy_client import ComfyClient, ServerGone
from .host_check import problems
from .job_queue import JobQueue
from .jobs import Job
from .own_server import ROOT, OwnServer
from .request import Request, found_text, read_request
from .results import SETTINGS, DiskFull, Results

DONE, FAILED, BAD_INPUT, STOPPED = 0, 1, 2, 130
MOST_SHOWN = 20


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        request = read_request(arguments)
        if request is None:
            return _report(arguments)
        return _run(request)
    except (ValueError, ServerGone, DiskFull, OSError) as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return BAD_INPUT if isinstance(error, ValueError) else FAILED
    except KeyboardInterrupt:
        return STOPPED


def _report(arguments: list[str]) -> int:
    from .report import read_settings, write_report
    from .request import parser

    options = parser().parse_args(arguments)
    results = Results(options.report)
    settings = read_settings(options.report)
    given = {name: getattr(options, name) for name in ("keep", "top") if getattr(options, name) is not None}
    found = write_report(results, {**settings, **given})
    print(f"{found.done} of {found.total} jobs: {options.report / 'index.html'}")
    return DONE


def _run(request: Request) -> int:
    options = request.options
    print(f"{len(request.rows)} prompts, {options.seeds} seed{'s' * (options.seeds > 1)} each; every job sets:")
    print(found_text(request), flush=True)
    comfyui, versions = _versions(options)
    jobs = request.jobs(versions)
    repeated = len(request.rows) * options.seeds - len(jobs)
    if repeated:
        print(f"{repeated} jobs are the same as others and run once.")
    if options.dry_run:
        return _dry_run(request, jobs, comfyui)
    if importlib.util.find_spec("ray") is None:
        raise ValueError("Ray is missing: python run.py batch installs it; with --here, pip install ray")
    results = Results(options.out)
    results.prepare()
    with results.lock():
        return _work(request, jobs, results, _settings(request, jobs, versions), comfyui, versions["comfyui"])


def _versions(options: Any) -> tuple[Path | None, dict[str, str]]:
    """The folder of ComfyUI, None for servers that run already, and the versions of pack and host."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    pack = re.search(r'^version = "(.+)"$', project, re.MULTILINE).group(1)
    if not options.servers:
        comfyui = newest_comfyui()
        return comfyui, {"pack": pack, "comfyui": version_text(comfyui)}
    hosts = {url: ComfyClient(url).stats()["system"].get("comfyui_version", "unknown") for url in options.servers}
    if len(set(hosts.values())) > 1:
        told = ", ".join(f"{version} at {url}" for url, version in hosts.items())
        raise ValueError(f"the servers are of different versions, so that results would differ: {told}")
    return None, {"pack": pack, "comfyui": next(iter(hosts.values()))}


def _settings(request: Request, jobs: list[Job], versions: dict[str, str]) -> dict[str, Any]:
    options = request.options
    return {
        "workflow": options.workflow.name,
        "prompts": options.prompts.name,
        "seeds": options.seeds,
        "keep": options.keep or 1,
        "top": options.top or 20,
        "versions": versions,
        "rows": [row.label for row in request.rows],
        "jobs": [[job.key, job.row, job.seed] for job in jobs],
    }


def _dry_run(request: Request, jobs: list[Job], comfyui: Path | None) -> int:
    for job in jobs[:MOST_SHOWN]:
        print(f"  {job.key}  {job.about}")
    if len(jobs) > MOST_SHOWN:
        print(f"  ... and {len(jobs) - MOST_SHOWN} more")
    server = None
    if comfyui:
        print(f"asking ComfyUI {version_text(comfyui)} in {comfyui}", flush=True)
        server = OwnServer(comfyui, cpu=True)
    try:
        client = server.start() if server else ComfyClient(request.options.servers[0])
        found = problems(request.workflow, client.object_info())
    finally:
        if server:
            server.stop()
    if found:
        raise ValueError("the workflow does not fit this ComfyUI:\n" + "\n".join(found))
    print(f"{len(jobs)} jobs; the workflow fits. Nothing was run.")
    return DONE


def _work(
    request: Request, jobs: list[Job], results: Results, settings: dict[str, Any], comfyui: Path | None, host: str
) -> int:
    from .cluster import running_workers
    from .driver import Driver, NoWorker
    from .progress import Progress
    from .report import GrowingPage, write_report
    from .worker import WorkerSettings

    options = request.options
    results.write_text(results.folder / SETTINGS, json.dumps(settings, indent=1, ensure_ascii=False))
    there = results.done()
    left = [job for job in jobs if job.key not in there]
    progress = Progress(len(jobs), len(jobs) - len(left))
    for record in results.records([job.key for job in jobs if job.key in there]):
        progress.look_at(record)
    print(f"{len(jobs)} jobs, {progress.done} are done already", flush=True)
    code = DONE
    if left:
        given = os.environ.get("OMP_NUM_THREADS", "")
        worker = WorkerSettings(
            comfyui=None if options.address else comfyui,
            url=None,
            cpu=False,
            threads=int(given) if given.isdecimal() else None,
            step_limit=options.step_limit,
            host_version=host,
        )
        with running_workers(worker, options.gpus, options.workers, options.address, options.servers) as actors:
            page = GrowingPage(results, settings)
            driver = Driver(request.workflow, JobQueue(left), results, actors, progress, lambda: page(progress.done))
            _answer_ctrl_c(driver)
            try:
                driver.run()
            except (DiskFull, NoWorker) as error:
                progress.say(f"error: {error}")
                code = FAILED
        progress.end()
        code = STOPPED if driver.stopping else code
    found = write_report(results, settings)
    print(f"{found.done} of {found.total} jobs are done, {len(found.failed)} set aside: {options.out / 'index.html'}")
    return code or (FAILED if found.failed else DONE)


def _answer_ctrl_c(driver: Any) -> None:
    """The first one ends the runs at their next step, the second one everything at once."""

    def stop(*_: object) -> None:
        if driver.stopping:
            os._exit(STOPPED)  # Ray's processes and the ComfyUIs see that this one is gone, and end too
        driver.stop()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)


if __name__ == "__main__":
    sys.exit(main())
