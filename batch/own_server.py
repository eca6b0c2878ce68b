"""A headless ComfyUI of a worker's own: its own folder, port and database; models and custom nodes are the user's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from tools.ports import free_port

from .comfy_client import ComfyClient, ServerGone
from .keeper import NOW

ROOT = Path(__file__).resolve().parent.parent
KEEPER = Path(__file__).with_name("keeper.py")
PACK_FOLDER = "gper-noise-optimizer"
START_SECONDS = 600
TRIES = 2  # a port that was free a moment ago may be taken
LOG_LINES = 60


class OwnServer:
    """Starts with `start`, ends with `stop` or with this process, however that ends.

    comfyui: its folder. cpu: no GPU is used. threads: of torch, None for torch's own choice.
    """

    def __init__(self, comfyui: Path, cpu: bool, threads: int | None = None) -> None:
        self.comfyui = comfyui
        self.cpu = cpu
        self.threads = threads
        self.base: Path | None = None
        self.client: ComfyClient | None = None
        self._keeper: _Kept | None = None
        self._last_log = ""

    @property
    def alive(self) -> bool:
        return self._keeper is not None and not self._keeper.ended.is_set()

    def start(self) -> ComfyClient:
        """Start it and wait until it answers.

        Raises:
            ServerGone: it did not come up; the text ends with what it said.
        """
        for attempt in range(TRIES):
            try:
                return self._start()
            except BaseException as error:
                self.stop(now=True)
                if not isinstance(error, ServerGone):
                    raise
                if attempt == TRIES - 1:
                    raise ServerGone(f"ComfyUI in {self.comfyui} does not start: {error}\n{self._last_log}") from None
        raise AssertionError

    def _start(self) -> ComfyClient:
        self.base = Path(tempfile.mkdtemp(prefix="comfyui-batch-"))
        self._fill_base()
        port = free_port()
        command = [
            sys.executable, str(self.comfyui / "main.py"),
            "--base-directory", str(self.base), "--port", str(port), "--listen", "127.0.0.1",
            "--database-url", f"sqlite:///{self.base / 'comfyui.db'}",
            "--disable-auto-launch", "--disable-api-nodes", *(["--cpu"] if self.cpu else []),
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        if self.threads is not None:
            environment["OMP_NUM_THREADS"] = str(self.threads)
        kept = [sys.executable, str(KEEPER), str(self.base), str(self.base / "server.log"), *command]
        self._keeper = _Kept(kept, self.comfyui, environment)
        client = ComfyClient(f"http://127.0.0.1:{port}")
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not self.alive:
                raise ServerGone(f"it ended with code {self._keeper.code}")
            try:
                # Another server may have taken the port in the meantime: this one names its folder.
                if str(self.base) in client.stats()["system"].get("argv", ()):
                    self.client = client
                    return client
            except ServerGone:
                pass
            time.sleep(0.2)
        raise ServerGone(f"it did not answer within {START_SECONDS} s")

    def _fill_base(self) -> None:
        for name in ("custom_nodes", "output", "user", "temp"):
            (self.base / name).mkdir()
        for name in ("models", "input"):
            if (self.comfyui / name).is_dir():
                (self.base / name).symlink_to(self.comfyui / name, target_is_directory=True)
            else:
                (self.base / name).mkdir()
        nodes = self.base / "custom_nodes"
        (nodes / PACK_FOLDER).symlink_to(ROOT, target_is_directory=True)
        for found in custom_nodes(self.comfyui):
            if not (nodes / found.name).exists():
                (nodes / found.name).symlink_to(found, target_is_directory=found.is_dir())

    def stop(self, now: bool = False) -> None:
        """End it and remove its folder. now: it hangs, do not wait for an orderly end."""
        self._last_log = self.log()
        if self._keeper is not None:
            self._keeper.release(now)
        if self.base is not None:
            shutil.rmtree(self.base, ignore_errors=True)
        self.base = self._keeper = self.client = None

    def log(self) -> str:
        """The last lines that it printed, without colours; of the last one that ran, where none does."""
        file = self.base / "server.log" if self.base is not None else None
        if file is None or not file.is_file():
            return self._last_log
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(lines[-LOG_LINES:]))

    def forget_files(self, references: list[dict[str, str]]) -> None:
        """Remove files of the output folder that have been collected."""
        for reference in references:
            if self.base is not None and reference.get("type") == "output":
                (self.base / "output" / reference.get("subfolder", "") / reference["filename"]).unlink(missing_ok=True)


class _Kept:
    """A keeper's process. ended: it is over. code: of the server that ended by itself."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self.ended = threading.Event()
        self.code = "unknown"
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        self.code = self._process.stdout.read().decode().strip() or "unknown"  # until it ends, however that comes
        self._process.wait()
        self.ended.set()

    def release(self, now: bool) -> None:
        """Have the server ended, and wait for it."""
        with suppress(OSError):  # it is gone already
            if now:
                self._process.stdin.write(NOW)
            self._process.stdin.close()
        self.ended.wait()


def custom_nodes(comfyui: Path) -> list[Path]:
    """The user's custom nodes but for copies of this pack, which comes from this checkout."""
    folder = comfyui / "custom_nodes"
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    mine = f'name = "{PACK_FOLDER}"'
    return [
        path
        for path in found
        if path.suffix == ".py" or (path.is_dir() and not path.name.startswith((".", "__")) and not _is(path, mine))
    ]


def _is(path: Path, mine: str) -> bool:
    project = path / "pyproject.toml"
    return project.is_file() and mine in project.read_text(encoding="utf-8", errors="replace").splitlines()
