"""`python run.py batch` as a user runs it, watched from outside: its lines, its ComfyUIs, its folder."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parents[3]
API = ROOT / "workflows" / "api"
ONE_PICTURE = ("--set", "3.batch_size=1", "--set", "3.width=64", "--set", "3.height=64")
SECONDS = 240


class BatchCommand:
    """A running batch. comfyui: the folder of the host. scratch: where its servers' folders are."""

    def __init__(self, comfyui, scratch, prompts, out, *arguments, workflow="demo"):
        self.scratch = scratch
        self.out = out
        scratch.mkdir(exist_ok=True)
        command = [
            sys.executable, ROOT / "run.py", "batch", "--here", prompts, "--workflow", API / f"{workflow}.json",
            "--out", out, *arguments,
        ]  # fmt: skip
        environment = {**os.environ, "COMFYUI_PATH": str(comfyui), "TMPDIR": str(scratch), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            list(map(str, command)),
            env=environment,
            cwd=scratch,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        self.lines = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.wait()
        wait_for(lambda: not self.servers(), "the servers end with the driver", seconds=30)

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    @property
    def text(self):
        return "".join(self.lines)

    def wait_for(self, condition, what):
        def met():
            assert self.process.poll() is None, f"ended before this: {what}\n{self.text}"
            return condition()

        return wait_for(met, lambda: f"{what}\n{self.text}")

    def finish(self):
        """Wait for the end; the exit code."""
        code = self.process.wait(SECONDS)
        self._reader.join(10)
        return code

    def servers(self):
        """Ids of its ComfyUI processes, by their folder."""
        return processes_of(self.scratch)

    def actors(self):
        """Ids of the workers' processes that have said that they are ready."""
        return [int(pid) for pid in re.findall(r"is ready: .*, process (\d+)\)", self.text)]

    def log(self, base):
        file = Path(base) / "server.log"
        return file.read_text(errors="replace") if file.is_file() else ""

    def running(self):
        """The folders of the servers that are in the middle of a run."""
        return [base for base in self.servers() if re.search(r"Method: (?!.*executed)", self.log(base), re.S)]

    def done(self):
        jobs = self.out / "jobs"
        return sorted(path.name for path in jobs.iterdir()) if jobs.is_dir() else []


def processes_of(scratch):
    """ComfyUI's processes whose folder is in `scratch`: ids by folder."""
    found = {}
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                words = (process / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            if "--base-directory" in words and not any(word.endswith("keeper.py") for word in words):
                base = words[words.index("--base-directory") + 1]
                if base.startswith(str(scratch)):
                    found[base] = int(process.name)
    return found


def wait_for(condition, what, seconds=SECONDS):
    deadline = time.monotonic() + seconds
    while not (met := condition()):
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.05)
    return met


def results(out):
    """The records of what is done, by label; checks that each is there once and whole."""
    records = {}
    for folder in sorted((out / "jobs").iterdir()):
        record = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        assert record["key"] == folder.name and record["label"] not in records
        for picture in record["pictures"]:
            named = [picture["file"], picture["start"], picture["noise"], "workflow.json"]
            assert all((folder / name).stat().st_size > 0 for name in named if name)
        records[record["label"]] = record
    assert not list(out.glob(".partial-*"))
    return records
