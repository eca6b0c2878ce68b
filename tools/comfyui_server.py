"""A real ComfyUI server with this pack installed, on the CPU unless told, for tests, conversions and pictures.

    with ComfyServer(Path("~/ComfyUI").expanduser()) as server:
        result = server.run({"1": {"class_type": "EmptyImage", "inputs": {...}}, ...})
        picture = server.images(result)[0]

The server sees only its own scratch base directory: no model, custom node, input or setting of the user's
installation. The pack is built into its archive and unpacked there, as the registry would install it, so that a
file which does not ship is missing here too.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import websocket
from PIL import Image

from .archive import build_archive
from .ports import free_port

START_SECONDS = 300
END_EVENTS = ("execution_success", "execution_error", "execution_interrupted")
CATEGORY_FOLDERS = ("custom_nodes", "input", "output", "models", "user")


class ServerError(RuntimeError):
    """The server did not start, ended early or refused a request; the text ends with what it said."""


class PromptRejected(ServerError):
    """The server refused a prompt. `node_errors` is its answer, keyed by node id."""

    def __init__(self, answer: dict[str, Any]):
        super().__init__(json.dumps(answer, indent=1))
        self.node_errors = answer.get("node_errors", {})


class PromptFailed(ServerError):
    """A node raised, or the run was interrupted. `details` is the message of that event."""

    def __init__(self, kind: str, details: dict[str, Any]):
        text = details.get("exception_message", "")
        traceback = "".join(details.get("traceback", []))
        node = f"node {details.get('node_id')} ({details.get('node_type')})"
        super().__init__(f"{kind} in {node}: {text}\n{traceback}")
        self.kind = kind
        self.details = details


class ComfyServer:
    """Start `comfyui` (its folder) on a free port; `arguments` are added to its command line.

    `settings` are the frontend's user settings; without `cpu` ComfyUI takes the graphics card. Everything is removed
    on exit. `base` is the scratch base directory, `pack_folder` the name of the pack's folder in it, `log_file`
    where the server prints.
    """

    pack_folder = "gper-noise-optimizer"  # the registry installs a pack under its project name

    def __init__(
        self,
        comfyui: Path,
        arguments: tuple[str, ...] = (),
        settings: dict[str, Any] | None = None,
        cpu: bool = True,
    ) -> None:
        self.comfyui = Path(comfyui)
        self.base = Path(tempfile.mkdtemp(prefix="comfyui-base-"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.client_id = uuid.uuid4().hex
        self.log_file = self.base / "server.log"
        self._arguments = ("--cpu", *arguments) if cpu else arguments
        self._settings = settings or {}
        self._server: subprocess.Popen[bytes] | None = None
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def __enter__(self) -> ComfyServer:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        if self._server is not None and self._server.poll() is None:
            self._server.terminate()
            try:
                self._server.wait(20)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
        shutil.rmtree(self.base, ignore_errors=True)

    def _start(self) -> None:
        for name in CATEGORY_FOLDERS:
            (self.base / name).mkdir()
        build_archive(self.base / "pack.zip")
        shutil.unpack_archive(self.base / "pack.zip", self.base / "custom_nodes" / self.pack_folder)
        user = self.base / "user" / "default"
        user.mkdir()
        (user / "comfy.settings.json").write_text(json.dumps(self._settings), encoding="utf-8")
        self._launch()

    def _launch(self) -> None:
        command = [
            sys.executable, str(self.comfyui / "main.py"),
            "--base-directory", str(self.base), "--port", str(self.port),
            "--database-url", f"sqlite:///{self.base / 'comfyui.db'}",
            "--disable-auto-launch", "--disable-api-nodes",
            "--disable-all-custom-nodes", "--whitelist-custom-nodes", self.pack_folder, *self._arguments,
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1"}
        with self.log_file.open("wb") as log:
            self._server = subprocess.Popen(
                command, cwd=self.comfyui, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._server.poll() is not None:
                raise ServerError(f"{self.comfyui} ended with code {self._server.returncode}\n{self.log()}")
            try:
                self.get("/system_stats")
                return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.2)
        raise ServerError(f"{self.comfyui} did not answer within {START_SECONDS} s\n{self.log()}")

    def kill_and_restart(self) -> None:
        """End the server at once, as a lack of memory does, and start it anew on the same folders."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
        self._launch()

    def log(self) -> str:
        """Return what the server has printed so far, without the colours."""
        return re.sub(r"\x1b\[[0-9;]*m", "", self.log_file.read_text(encoding="utf-8", errors="replace"))

    def get(self, path: str) -> Any:
        """Return the JSON answer to a GET, for example of "/object_info/KSampler"."""
        return json.loads(self.fetch(path))

    def fetch(self, path: str) -> bytes:
        """Return the raw answer to a GET."""
        with self._opener.open(self.url + path, timeout=60) as answer:
            return answer.read()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Return the JSON answer to a POST of JSON, None where the answer is empty."""
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), method="POST")
        request.add_header("Content-Type", "application/json")
        with self._opener.open(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def add_model(self, file: Path, category: str, name: str | None = None) -> None:
        """Copy a model file into the server's models folder, for example category "vae"."""
        folder = self.base / "models" / category
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, folder / (name or file.name))

    def queue(
        self,
        prompt: dict[str, Any],
        workflow: dict[str, Any] | None = None,
        extra_data: dict[str, Any] | None = None,
    ) -> str:
        """Queue an API prompt and return its id; `extra_data` goes with it, such as "preview_method".

        Raises:
            PromptRejected: the server found the prompt invalid, or part of it, of which ComfyUI would run the rest.
        """
        body = {"prompt": prompt, "client_id": self.client_id, "extra_data": {**(extra_data or {})}}
        if workflow is not None:
            body["extra_data"]["extra_pnginfo"] = {"workflow": workflow}
        try:
            answer = self.post("/prompt", body)
        except urllib.error.HTTPError as error:
            raise PromptRejected(json.loads(error.read())) from error
        if answer.get("node_errors"):
            raise PromptRejected(answer)
        return answer["prompt_id"]

    def follow(
        self, prompt: dict[str, Any], seconds: float = 300, extra_data: dict[str, Any] | None = None
    ) -> Iterator[dict[str, Any] | bytes]:
        """Queue an API prompt as `queue` does and yield what the server sends to its client until the run is over.

        Events are dicts with "type" and "data", preview pictures are bytes. `seconds` is the longest silence.
        """
        address = f"ws://127.0.0.1:{self.port}/ws?clientId={self.client_id}"
        with closing(websocket.create_connection(address, timeout=seconds)) as stream:
            prompt_id = self.queue(prompt, extra_data=extra_data)
            event = {}
            while not (event.get("type") in END_EVENTS and event["data"]["prompt_id"] == prompt_id):
                message = stream.recv()
                event = {} if isinstance(message, bytes) else json.loads(message)
                yield event or message

    def interrupt(self) -> None:
        """Ask for the end of the running prompt."""
        self.post("/interrupt", {})

    def wait(self, prompt_id: str, seconds: float = 300) -> dict[str, Any]:
        """Wait for a queued prompt and return its history entry.

        Raises:
            PromptFailed: a node raised, or the run was interrupted.
            ServerError: the server ended, or the time is over.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._server is None or self._server.poll() is not None:
                raise ServerError(f"the server is gone\n{self.log()}")
            entry = self.get(f"/history/{prompt_id}").get(prompt_id)
            if entry is not None:
                raise_failure(entry)
                return entry
            time.sleep(0.1)
        raise ServerError(f"no result within {seconds} s\n{self.log()}")

    def run(self, prompt: dict[str, Any], seconds: float = 300) -> dict[str, Any]:
        """Queue an API prompt, wait for it and return its history entry; raises as `queue` and `wait` do."""
        return self.wait(self.queue(prompt), seconds)

    def images(self, entry: dict[str, Any], node_id: str | None = None) -> list[Image.Image]:
        """Return the pictures of a history entry, of one node or of all, in order."""
        outputs = entry["outputs"]
        chosen = outputs.values() if node_id is None else [outputs[node_id]]
        references = [reference for output in chosen for reference in output.get("images", [])]
        return [self.picture(reference) for reference in references]

    def picture(self, reference: dict[str, str]) -> Image.Image:
        """Fetch one picture that an output names by filename, subfolder and type."""
        query = urllib.parse.urlencode(reference)
        return Image.open(io.BytesIO(self.fetch(f"/view?{query}")))


def raise_failure(entry: dict[str, Any]) -> None:
    """Raise PromptFailed if this history entry is of a run that failed or was interrupted."""
    for kind, details in entry["status"]["messages"]:
        if kind in ("execution_error", "execution_interrupted"):
            raise PromptFailed(kind, details)
