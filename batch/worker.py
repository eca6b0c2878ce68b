"""A worker: a Ray actor with one GPU, or none, and one ComfyUI."""

from __future__ import annotations

import os
import platform
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.comfyui_installs import newest_comfyui

from .comfy_client import ComfyClient, JobFailed, ServerGone, ServerHangs, Stopped
from .host_check import problems
from .job_run import run_job
from .own_server import OwnServer
from .workflow import Workflow

DONE, FAILED, STOPPED, LOST, FULL = "done", "failed", "stopped", "lost", "full"
ABSENCE_SECONDS = 60
NO_SPACE = "No space left on device"


@dataclass(frozen=True)
class WorkerSettings:
    """comfyui: its folder, None for the one that the worker's machine names.

    url: of a ComfyUI that runs already, in place of one of the worker's own. cpu: no GPU. threads: of torch on the
    processor. step_limit: seconds without progress. host_version: of ComfyUI, as it is in the keys of the jobs.
    """

    comfyui: Path | None
    url: str | None
    cpu: bool
    threads: int | None
    step_limit: float
    host_version: str


@dataclass(frozen=True)
class Outcome:
    """How a job ended: DONE with its record and files, else why not.

    LOST: the worker can do no more. FULL: the disk that its ComfyUI writes to.
    """

    status: str
    record: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    error: str = ""


class Worker:
    """Runs jobs one after the other; `stop` comes from another thread meanwhile."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.settings = settings
        self._stopping = threading.Event()
        self._client: ComfyClient | None = None
        self._server: OwnServer | None = None

    def start(self, workflow: Workflow) -> dict[str, Any]:
        """Have a server that answers; return where it is, and what keeps it from running the workflow.

        Raises:
            ServerGone, ValueError: there is none.
        """
        client = self._answering()
        system = client.stats()
        version = system["system"].get("comfyui_version", "unknown")
        found = problems(workflow, client.object_info())
        if version != self.settings.host_version:
            found.append(
                f"ComfyUI {version} on {platform.node()}, {self.settings.host_version} here: use the same everywhere"
            )
        device = system["devices"][0]["name"] if system.get("devices") else "cpu"
        where = self.settings.url or f"{platform.node()}, process {os.getpid()}"
        return {"where": where, "device": device, "problems": found}

    def run(self, workflow: Workflow, key: str) -> Outcome:
        """Run a job; never raises for what can happen to one."""
        try:
            client = self._answering()
        except ServerGone as error:
            return Outcome(LOST, error=str(error))
        try:
            done = run_job(client, workflow, key, self.settings.step_limit, self._stopping.is_set)
        except Stopped as error:
            return Outcome(STOPPED, error=str(error))
        except JobFailed as error:
            return Outcome(FULL if NO_SPACE in str(error) else FAILED, error=f"{error}\n{self._log()}")
        except (ServerGone, ServerHangs, OSError, ValueError, KeyError) as error:
            told = f"{type(error).__name__}: {error}\n{self._log()}"
            self._drop_server(error.prompt_id if isinstance(error, ServerHangs) else None)
            return Outcome(FULL if NO_SPACE in told else FAILED, error=told)
        if self._server is not None:
            self._server.forget_files(done.references)
        return Outcome(DONE, done.record, done.files)

    def stop(self) -> None:
        """End the run in progress at its next step."""
        self._stopping.set()

    def close(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server.stop()

    def _answering(self) -> ComfyClient:
        if self.settings.url is not None:
            self._client = self._client or ComfyClient(self.settings.url)
            self._wait_for_another_s()
            return self._client
        if self._server is None:
            comfyui = self.settings.comfyui or newest_comfyui()
            self._server = OwnServer(comfyui, self.settings.cpu, self.settings.threads)
        if not self._server.alive:
            self._server.stop(now=True)
            self._client = self._server.start()
        return self._client

    def _wait_for_another_s(self) -> None:
        """A server that is not the worker's own may be about to start again."""
        deadline = time.monotonic() + ABSENCE_SECONDS
        while True:
            try:
                self._client.stats()
                return
            except ServerGone:
                if self._stopping.is_set() or time.monotonic() > deadline:
                    raise
                time.sleep(1)

    def _drop_server(self, hanging: str | None) -> None:
        """A server of its own begins anew with the next job; another's can only be asked to give up the run."""
        if self._server is not None:
            self._server.stop(now=True)
        elif hanging is not None:
            with suppress(ServerGone):
                self._client.post("/interrupt", {"prompt_id": hanging})

    def _log(self) -> str:
        return f"\nwhat ComfyUI said last:\n{self._server.log()}" if self._server is not None else ""
