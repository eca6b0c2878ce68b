"""One job on one server: run it, and collect everything that it leaves."""

from __future__ import annotations

import io
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from . import scores
from .collecting import BEST, OPTIMIZER, SAVE_NOISE, SCORERS, SHEETS, START, Place, collecting, places
from .comfy_client import ComfyClient, JobFailed
from .workflow import Workflow, upstream

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
THUMBNAIL_SIDE = 448
THUMBNAIL_SUFFIX = ".thumb.jpg"
WORKFLOW = "workflow.json"


@dataclass
class Collected:
    """record: what is known about the job, as JSON. files: by name. references: what the server holds of them."""

    record: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)
    references: list[dict[str, str]] = field(default_factory=list)


def run_job(
    client: ComfyClient, workflow: Workflow, key: str, step_limit: float, stopping: Callable[[], bool]
) -> Collected:
    """Run the workflow of the job `key` and return what came of it. Raises as `ComfyClient.run` does."""
    ready = collecting(workflow, key)
    started = time.perf_counter()
    prompt_id, entry = client.run(ready, step_limit, stopping)
    seconds = time.perf_counter() - started
    live = [run for run in _live_runs(client) if run.get("prompt") == prompt_id]
    collected = _Collection(client, ready, entry["outputs"], live).collect()
    collected.files[WORKFLOW] = json.dumps(workflow, indent=1, ensure_ascii=False).encode()
    collected.record = {"key": key, "seconds": round(seconds, 3), **collected.record}
    client.forget(prompt_id)
    return collected


def _live_runs(client: ComfyClient) -> list[dict[str, Any]]:
    """The curves of every reward, where the pack is there; a server without it knows no such address."""
    import urllib.error

    try:
        return client.get("/gper/ascents")
    except urllib.error.HTTPError:
        return []


class _Collection:
    """outputs: by node, from the server's history. live: what it tells about the Noise Optimizers of this run."""

    def __init__(self, client: ComfyClient, ready: Workflow, outputs: dict[str, Any], live: list[dict[str, Any]]):
        self.client = client
        self.ready = ready
        self.outputs = outputs
        self.live = {run["node"]: run for run in live}
        self.done = Collected({})
        self._numbers: Counter[str] = Counter()

    def collect(self) -> Collected:
        noises = self._noises()
        saved = {place: self._files(place.node, place.role) for place in places(self.ready)}
        pictures = []
        for place, names in saved.items():
            if place.role == BEST:
                pictures += [self._picture(place, names, i, saved, noises) for i in range(len(names))]
        if not pictures:
            raise JobFailed("the workflow ran and saved no picture")
        report = "\n\n".join(text for node, output in self.outputs.items() for text in self._texts(node, output))
        if report:
            self.done.files["report.txt"] = report.encode()
        histories = {
            node: {"rewards": output["reward_history"], "curves": self.live.get(node)}
            for node, output in self.outputs.items()
            if "reward_history" in output
        }
        if histories:
            self.done.files["history.json"] = json.dumps(histories).encode()
        sheets = [name for place, names in saved.items() if place.role == SHEETS for name in names]
        rewards = list(dict.fromkeys(name for picture in pictures for name in picture["scores"]))
        files = self.done.files
        thumbnails = {name: name + THUMBNAIL_SUFFIX for name in files if name + THUMBNAIL_SUFFIX in files}
        self.done.record = {"rewards": rewards, "pictures": pictures, "sheets": sheets, "thumbnails": thumbnails}
        return self.done

    def _picture(self, place: Place, names: list[str], i: int, saved: dict, noises: dict) -> dict[str, Any]:
        files, columns = noises.get(place.optimizer, ([], {}))
        history = self.outputs.get(place.optimizer, {}).get("reward_history", [])
        known = {} if not _fits(columns, names) else scores.of_picture(columns, i)
        reward = next(iter(known), None)
        for name, score in self._table_row(place, len(names), i).items():
            known.setdefault(name, score)
        starts = next((found for other, found in saved.items() if other.role == START), [])
        start = starts[i] if len(starts) == len(names) else (starts[0] if len(starts) == 1 else None)
        noise = files[i] if len(files) == len(names) else (files[0] if len(files) == 1 else None)
        made = {"file": names[i], "title": place.title, "start": start, "noise": noise, "scores": known}
        if reward is not None and history and len(history[0]) == len(names):
            made["start_scores"] = scores.start_scores(history, i, reward, self.live.get(place.optimizer))
            made["curve"] = scores.curve_of(history, i)
        return made

    def _noises(self) -> dict[str, tuple[list[str], scores.Columns]]:
        """By Noise Optimizer: the names of its noise files, and the scores in them."""
        found = {}
        for node, content in self.ready.items():
            if content["class_type"] == SAVE_NOISE and node in self.outputs:
                source = content["inputs"]["noise"][0]
                names = self._files(node, "noise")
                if self.ready[source]["class_type"] == OPTIMIZER:
                    columns = scores.joined([scores.noise_scores(self.done.files[name]) for name in names])
                    found.setdefault(source, (names, columns))
        return found

    def _table_row(self, place: Place, count: int, i: int) -> dict[str, float | None]:
        """What a score table says about picture i of the `count` of a place."""
        for node, content in self.ready.items():
            texts = self.outputs.get(f"batch table {node}", {}).get("text", [])
            if content["class_type"] not in SCORERS or not texts:
                continue
            columns, order = scores.table_scores(texts[0])
            ways = set(upstream(self.ready, place.node))
            if (node, 0) in ways and count <= len(order):
                return scores.of_picture(columns, order[i])
            if tuple(content["inputs"]["images"]) in ways and count == len(order):
                return scores.of_picture(columns, i)
        return {}

    def _files(self, node: str, kind: str) -> list[str]:
        """Fetch the files of an output, and return the names that they get: the kind and a number."""
        names = []
        for references in self.outputs.get(node, {}).values():
            for reference in references if isinstance(references, list) else []:
                if not isinstance(reference, dict) or "filename" not in reference:
                    continue
                suffix = PurePosixPath(reference["filename"]).suffix.lower()
                content = self.client.view(reference)
                self.done.references.append(reference)
                if suffix in PICTURES and kind == BEST and content in self.done.files.values():
                    continue  # saved twice, as among all and as the best of them
                self._numbers[kind] += 1
                name = f"{kind}_{self._numbers[kind]}{suffix}"
                self.done.files[name] = content
                if suffix in PICTURES:
                    thumbnail = small_jpeg(self.done.files[name])
                    if thumbnail:
                        self.done.files[name + THUMBNAIL_SUFFIX] = thumbnail
                if suffix in PICTURES or kind == "noise":
                    names.append(name)
        return names

    def _texts(self, node: str, output: dict[str, Any]) -> list[str]:
        return [text for text in output.get("text", []) if isinstance(text, str)]


def _fits(columns: scores.Columns, names: list[str]) -> bool:
    return bool(columns) and all(len(column) == len(names) for column in columns.values())


def small_jpeg(picture: bytes) -> bytes | None:
    """The picture for a page of many, None where it is small itself."""
    from PIL import Image

    with Image.open(io.BytesIO(picture)) as image:
        if max(image.size) <= THUMBNAIL_SIDE:
            return None
        image = image.convert("RGB")
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    written = io.BytesIO()
    image.save(written, "JPEG", quality=85)
    return written.getvalue()
