"""The folder of a batch, as if it had run: for the page and the tables, without a ComfyUI."""

from __future__ import annotations

import io
import json

from PIL import Image

from batch.jobs import Job
from batch.results import SETTINGS, Results

REWARDS = ("mix", "demo taste")


def png(colour, size=(24, 24)):
    written = io.BytesIO()
    Image.new("RGB", size, colour).save(written, "PNG")
    return written.getvalue()


def picture(file, start, score):
    return {
        "file": file,
        "title": "Optimized",
        "start": start,
        "noise": "noise_1.safetensors",
        "scores": dict(zip(REWARDS, (score, score / 2), strict=True)),
        "start_scores": {"mix": 1.0},
        "curve": [1.0, None, score],
    }


def made_up_batch(folder, scores, keep=1, missing=(), prompts=None):
    """scores: for each prompt and seed. missing: pairs of prompt and seed that have no result."""
    results = Results(folder)
    results.prepare()
    rows = prompts or [f"prompt {i}, painted" for i in range(len(scores))]
    jobs = []
    for row, of_seeds in enumerate(scores):
        for seed, score in enumerate(of_seeds):
            job = Job(f"{row:08}{seed:08}", row, rows[row], seed, {"8.prompt": rows[row]}, "m")
            jobs.append([job.key, row, seed])
            if (row, seed) in missing:
                continue
            record = {"seconds": 2.5, "rewards": list(REWARDS), "sheets": [], "thumbnails": {}}
            record["pictures"] = [picture("best_1.png", "start_1.png", score)]
            files = {"best_1.png": png((row % 256, 120, 200)), "start_1.png": png("gray"), "noise_1.safetensors": b"n"}
            results.write(job, record, {**files, "workflow.json": b"{}"})
    settings = {"workflow": "demo.json", "keep": keep, "top": 20, "rows": rows, "jobs": jobs}
    (folder / SETTINGS).write_text(json.dumps(settings))
    return results, settings
