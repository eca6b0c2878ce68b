"""The workers as Ray actors: on the GPUs of this machine, on a cluster, or beside ComfyUIs that run already."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from .own_server import ROOT
from .worker import Worker, WorkerSettings

RESTARTS = -1  # of an actor whose process was ended: the driver counts, and gives it up
TRIES = 3  # to start Ray
OBJECT_STORE = 512 * 2**20  # bytes; results pass through, they do not stay
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_memory_monitor_refresh_ms": "0",  # it would end workers whose models fill the memory, as models do
}
FOLDER = "ray-batch-"  # and the id of the driver
NOT_SENT = [".git", ".venv*", "tests", "docs", "media", "benchmark_results", "demo_output"]  # to a cluster's machines


@contextmanager
def running_workers(
    settings: WorkerSettings, gpus: str, workers: int | None, address: str | None, urls: list[str] | None
) -> Iterator[dict[str, Any]]:
    """Start Ray, or join a cluster, and give the actor handles by name; all ends with the block.

    gpus: "all" or a number. workers: as many on the processor instead. urls: one worker for each.

    Raises:
        ValueError: there are fewer GPUs than asked for, or no cluster at the address.
        OSError: Ray does not start here.
    """
    settled = dict(QUIET)
    if not address:
        # Ray asks for a token by default, and would leave one in the user's home; this one is forgotten with the run.
        settled |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    os.environ.update({name: value for name, value in settled.items() if name not in os.environ})
    import ray  # reads them

    temporary = _own_folder()
    count = len(urls) if urls else workers or 1
    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "CRITICAL"}
    try:
        if address:
            _join(ray, address)
        else:
            os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
            _start_ray(ray, num_cpus=count, object_store_memory=OBJECT_STORE, _temp_dir=temporary, **quiet)
        yield _actors(ray, settings, gpus, workers, urls)
    finally:
        ray.shutdown()
        shutil.rmtree(temporary, ignore_errors=True)


def _start_ray(ray: Any, **options: Any) -> None:
    """Ray gives its own processes half a minute, which a machine that is busy with something else may not keep."""
    for attempt in range(TRIES):
        try:
            ray.init(**options)
            return
        except Exception as error:  # no narrower class: node.py raises Exception itself
            ray.shutdown()
            if attempt == TRIES - 1:
                raise OSError(
                    f"Ray does not start ({_first_line(error)}): is this machine busy, or out of memory? Wait, "
                    "and run the same command again"
                ) from error


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _own_folder() -> str:
    """A folder for Ray's logs and sockets, whose paths are short; those of killed drivers are removed."""
    place = Path("/tmp" if os.name == "posix" else tempfile.gettempdir())
    for old in place.glob(f"{FOLDER}*"):
        owner = old.name.removeprefix(FOLDER).partition("-")[0]
        if Path("/proc/self").exists() and owner.isdecimal() and not Path("/proc", owner).exists():
            shutil.rmtree(old, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"{FOLDER}{os.getpid()}-", dir=place)


def _join(ray: Any, address: str) -> None:
    environment = {"working_dir": str(ROOT), "excludes": NOT_SENT}
    try:
        ray.init(address=address, runtime_env=environment, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError) as error:
        told = _first_line(error)
        raise ValueError(
            f"no Ray cluster answers at {address} ({told}): is it running, and does it ask for a token (docs/batch.md)?"
        ) from error


def _actors(ray: Any, settings: WorkerSettings, gpus: str, workers: int | None, urls: list[str] | None) -> dict:
    actor = ray.remote(Worker)
    shared = {"max_restarts": RESTARTS, "max_concurrency": 2}  # the second thread is for `stop`
    if urls:
        options = {**shared, "num_cpus": 0, "num_gpus": 0}
        return {url: actor.options(**options).remote(replace(settings, url=url)) for url in urls}
    there = int(ray.cluster_resources().get("GPU", 0))
    if workers or not there:
        if gpus != "all" and not workers:
            raise ValueError(f"--gpus {gpus}: Ray finds no GPU here; --workers N works on the processor")
        count = workers or 1
        threads = settings.threads or max(1, (os.cpu_count() or 1) // count)
        settings = replace(settings, cpu=True, threads=threads)
        return {f"worker {i + 1}": actor.options(**shared, num_cpus=1).remote(settings) for i in range(count)}
    count = there if gpus == "all" else int(gpus)
    if count > there:
        raise ValueError(f"--gpus {gpus}: Ray finds {there} GPU{'' if there == 1 else 's'}")
    return {f"GPU {i + 1}": actor.options(**shared, num_cpus=0, num_gpus=1).remote(settings) for i in range(count)}
