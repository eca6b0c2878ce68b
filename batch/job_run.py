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
        starts = next((names for place, names in saved.items() if place.role == START), [])
        pictures = []
        for place, names in saved.items():
            if place.role == BEST:
                pictures += self._pictures(place, names, starts, noises)
        pictures = self._each_once(pictures)
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

    def _pictures(self, place: Place, names: list[str], starts: list[str], noises: dict) -> list[dict[str, Any]]:
        """What is known about the pictures of a place. starts: names of the pictures of the start noise."""
        table, order = self._table(place, len(names))
        files, columns = noises.get(place.optimizer, ([], {}))
        history = self.outputs.get(place.optimizer, {}).get("reward_history", [])
        count = len(order)

        def of(listed: list[str], i: int) -> str | None:
            return listed[i] if len(listed) == count else listed[0] if len(listed) == 1 else None

        pictures = []
        for name, i in zip(names, order, strict=False):
            known = scores.of_picture(columns, i) if _fits(columns, count) else {}
            made = {"file": name, "title": place.title, "start": of(starts, i), "noise": of(files, i)}
            made["scores"] = {**scores.of_picture(table, i), **known}
            if known:
                reward = next(iter(known))
                made["scores"] = {**known, **made["scores"]}  # the climbed reward first
                if len(history[0] if history else []) == count:
                    live = self.live.get(place.optimizer)
                    made["start_scores"] = scores.start_scores(history, i, reward, live)
                    made["curve"] = scores.curve_of(history, i)
            pictures.append(made)
        return pictures

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

    def _table(self, place: Place, count: int) -> tuple[scores.Columns, list[int]]:
        """The scores that a table tells of a place's pictures, and the number of each picture in it.

        count: of pictures. A ranking passes pictures on in another order than noises and starts have.
        """
        ways = set(upstream(self.ready, place.node))
        for node, content in self.ready.items():
            texts = self.outputs.get(f"batch table {node}", {}).get("text", [])
            if content["class_type"] in SCORERS and texts:
                columns, order = scores.table_scores(texts[0])
                if (node, 0) in ways and count <= len(order):
                    return columns, order
                if tuple(content["inputs"]["images"]) in ways and count == len(order):
                    return columns, list(range(count))
        return {}, list(range(count))

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

    def _each_once(self, pictures: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Without those that are saved twice, as among all and as the best of them."""
        seen: set[bytes] = set()
        kept = []
        for picture in pictures:
            content = self.done.files[picture["file"]]
            if content in seen:
                for name in (picture["file"], picture["file"] + THUMBNAIL_SUFFIX):
                    self.done.files.pop(name, None)
            else:
                seen.add(content)
                kept.append(picture)
        return kept

    def _texts(self, node: str, output: dict[str, Any]) -> list[str]:
        return [text for text in output.get("text", []) if isinstance(text, str)]


def _fits(columns: scores.Columns, count: int) -> bool:
    return bool(columns) and all(len(column) == count for column in columns.values())


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
