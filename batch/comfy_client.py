"""What a worker says to a ComfyUI: queue, follow, fetch, interrupt."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

ANSWER_SECONDS = 60
GLANCE_SECONDS = 0.3  # how soon a stop, a death and a hang are seen
QUEUE_SECONDS = 5  # between two looks whether the prompt still waits for others
END_EVENTS = ("execution_success", "execution_error", "execution_interrupted")


class ServerGone(RuntimeError):
    """The server does not answer, or has closed the connection."""


class ServerHangs(RuntimeError):
    """The server has shown no progress for too long. prompt_id: of the run."""

    def __init__(self, text: str, prompt_id: str) -> None:
        super().__init__(text)
        self.prompt_id = prompt_id


class JobFailed(RuntimeError):
    """The server refused the workflow, or a node raised."""


class Stopped(RuntimeError):
    """The run was ended because it was asked for."""


class ComfyClient:
    """url: of the server, such as http://127.0.0.1:8188."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.client_id = uuid.uuid4().hex
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path: str, seconds: float = ANSWER_SECONDS) -> Any:
        return json.loads(self.fetch(path, seconds))

    def fetch(self, path: str, seconds: float = ANSWER_SECONDS) -> bytes:
        """The answer to a GET. Raises ServerGone where there is none in that time."""
        return self._open(urllib.request.Request(self.url + path), seconds)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON answer to a POST of JSON, None where it is empty. Raises ServerGone where there is none."""
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), method="POST")
        request.add_header("Content-Type", "application/json")
        text = self._open(request)
        return json.loads(text) if text else None

    def _open(self, request: urllib.request.Request, seconds: float = ANSWER_SECONDS) -> bytes:
        try:
            with self._opener.open(request, timeout=seconds) as answer:
                return answer.read()
        except urllib.error.HTTPError:
            raise
        except (OSError, ValueError) as error:  # ValueError: half an answer
            raise ServerGone(f"{self.url} does not answer: {error}") from error

    def stats(self) -> dict[str, Any]:
        return self.get("/system_stats")

    def object_info(self) -> dict[str, Any]:
        """What every node of the server takes and gives."""
        return self.get("/object_info")

    def view(self, reference: dict[str, str]) -> bytes:
        """A file that an output names by filename, subfolder and type."""
        return self.fetch(f"/view?{urllib.parse.urlencode(reference)}")

    def forget(self, prompt_id: str) -> None:
        self.post("/history", {"delete": [prompt_id]})

    def run(
        self,
        prompt: dict[str, Any],
        step_limit: float,
        stopping: Callable[[], bool] = lambda: False,
    ) -> tuple[str, dict[str, Any]]:
        """Queue a prompt, wait for it, return its id and its history entry.

        step_limit: seconds without any progress after which it hangs. stopping: becomes true when the run is to end.

        Raises:
            JobFailed: the prompt was refused, or a node raised; the text says which.
            ServerHangs, ServerGone, Stopped: as their names say.
        """
        import websocket

        address = f"ws{self.url.removeprefix('http')}/ws?clientId={self.client_id}"
        try:
            stream = websocket.create_connection(address, timeout=ANSWER_SECONDS, http_no_proxy=["*"])
        except (OSError, websocket.WebSocketException) as error:
            raise ServerGone(f"{self.url} takes no connection: {error}") from error
        try:
            prompt_id = self._queue(prompt)
            stream.settimeout(GLANCE_SECONDS)
            self._follow(stream, prompt_id, step_limit, stopping)
        except (OSError, websocket.WebSocketException) as error:
            raise ServerGone(f"{self.url} has closed the connection: {error}") from error
        finally:
            stream.close(timeout=0)
        return prompt_id, self._entry(prompt_id)

    def _queue(self, prompt: dict[str, Any]) -> str:
        try:
            answer = self.post("/prompt", {"prompt": prompt, "client_id": self.client_id})
        except urllib.error.HTTPError as error:
            raise JobFailed(refusal_text(json.loads(error.read()))) from error
        if answer.get("node_errors"):  # ComfyUI runs the outputs that are sound, and leaves the others out
            self._cancel(answer["prompt_id"])
            raise JobFailed(refusal_text(answer))
        return answer["prompt_id"]

    def _cancel(self, prompt_id: str) -> None:
        self.post("/queue", {"delete": [prompt_id]})
        self.post("/interrupt", {"prompt_id": prompt_id})

    def _follow(self, stream: Any, prompt_id: str, step_limit: float, stopping: Callable[[], bool]) -> None:
        """Wait for the end of a run."""
        import websocket

        moved = looked = time.monotonic()
        asked = False
        while True:
            now = time.monotonic()
            if stopping() and not asked:
                asked = True
                self._cancel(prompt_id)
            if now - looked > QUEUE_SECONDS:
                looked = now
                if self._waits(prompt_id, seconds=moved + step_limit - now):
                    if asked:
                        raise Stopped("stopped while it waited")
                    moved = now
            if now - moved > step_limit:
                raise ServerHangs(f"no progress for {step_limit:g} s", prompt_id)
            try:
                message = stream.recv()
            except websocket.WebSocketTimeoutException:
                continue
            if isinstance(message, bytes):
                moved = time.monotonic()
                continue
            event = json.loads(message)
            data = event.get("data") or {}
            if data.get("prompt_id") != prompt_id and event.get("type") != "gper.ascent":
                continue  # other packs' chatter is no progress
            moved = time.monotonic()
            if event["type"] in END_EVENTS:
                return

    def _waits(self, prompt_id: str, seconds: float) -> bool:
        """Whether the prompt still waits behind others'. A server that does not say within the limit has reached it."""
        try:
            pending = self.get("/queue", max(seconds, GLANCE_SECONDS))["queue_pending"]
            return any(entry[1] == prompt_id for entry in pending)
        except ServerGone:
            return False

    def _entry(self, prompt_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < deadline:
            entry = self.get(f"/history/{prompt_id}").get(prompt_id)
            if entry is not None:
                raise_failure(entry)
                return entry
            time.sleep(0.02)
        raise ServerGone(f"{self.url} has no history of {prompt_id}")


def raise_failure(entry: dict[str, Any]) -> None:
    """Raise JobFailed or Stopped if this history entry is of a run that failed or was interrupted."""
    for kind, details in entry["status"]["messages"]:
        if kind == "execution_error":
            node = f"node {details.get('node_id')} ({details.get('node_type')})"
            raise JobFailed(
                f"{node}: {details.get('exception_message', '').strip()}\n{''.join(details.get('traceback', []))}"
            )
        if kind == "execution_interrupted":
            raise Stopped("interrupted")


def refusal_text(answer: dict[str, Any]) -> str:
    """What the server holds against a prompt, in a line for each input. answer: to /prompt."""
    lines = [answer["error"]["message"]] if answer.get("error") else []
    for node, told in answer.get("node_errors", {}).items():
        for error in told["errors"]:
            lines.append(f"node {node} ({told['class_type']}): {error['message']}: {error['details']}")
    return "\n".join(lines)
