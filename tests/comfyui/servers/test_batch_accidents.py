"""A batch through everything that goes wrong: a server, a worker, the driver killed, a server that hangs, a job that
always fails. Each result is there once, whole, the same."""

import json
import os
import signal
import sys

import pytest

from batch.collecting import collecting
from batch.overrides import overridden
from batch.workflow import load_workflow

from .batch_command import API, ONE_PICTURE, BatchCommand, processes_of, results

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc"),
    pytest.mark.usefixtures("newer_host"),
]
PROMPTS = [f"prompt {i}" for i in range(4)]
BAD = "no pixel is left"
STEPS = 20
STEP_LIMIT = 20


@pytest.fixture(scope="module")
def finished(newer_host, comfyui, tmp_path_factory):
    """The folder of a batch that went through all of it."""
    folder = tmp_path_factory.mktemp("batch")
    prompts, out = folder / "prompts.csv", folder / "out"
    lines = [f"{prompt},{100 + i},1" for i, prompt in enumerate(PROMPTS)]
    # Sampling without a step fails in the middle of the run.
    prompts.write_text("\n".join(["prompt,seed,6.denoise", *lines, f"{BAD},104,0"]))
    limits = ("--set", f"8.steps={STEPS}", "--step-limit", STEP_LIMIT)
    arguments = (prompts, out, *ONE_PICTURE, *limits, "--workers")
    with BatchCommand(comfyui, folder / "first", *arguments, 1) as batch:
        batch.wait_for(batch.running, "a run")
        os.kill(batch.servers()[batch.running()[0]], signal.SIGKILL)
        batch.wait_for(lambda: "tried again later: 'prompt 0', seed 100: ServerGone" in batch.text, "a dead server")
        batch.wait_for(lambda: batch.done() and batch.running(), "a new server, and a result")
        os.kill(batch.actors()[0], signal.SIGKILL)
        batch.wait_for(lambda: ": the process of worker 1 was ended" in batch.text, "a dead worker")
        batch.wait_for(lambda: len(batch.actors()) == 2 and batch.running(), "the worker is back and runs a job")
        before = batch.done()
        batch.process.send_signal(signal.SIGKILL)
        batch.process.wait()
    assert len(before) < len(PROMPTS)
    times = {key: (out / "jobs" / key / "result.json").stat().st_mtime_ns for key in before}
    with BatchCommand(comfyui, folder / "second", *arguments, 2) as batch:
        (base, *_) = batch.wait_for(batch.running, "a run")
        os.kill(batch.servers()[base], signal.SIGSTOP)
        batch.wait_for(lambda: f"ServerHangs: no progress for {STEP_LIMIT} s" in batch.text, "the hang is seen")
        assert batch.finish() == 1, batch.text
    assert f"{len(PROMPTS) + 1} jobs, {len(before)} are done already" in batch.text
    assert base not in processes_of(folder), "the server that hung is gone"
    assert {key: (out / "jobs" / key / "result.json").stat().st_mtime_ns for key in before} == times
    assert not list(folder.glob("*/comfyui-batch-*")), "no folder is left"
    return out


def test_every_result_is_there_once_and_whole(finished):
    records = results(finished)
    assert sorted(records) == PROMPTS
    for record in records.values():
        (picture,) = record["pictures"]
        assert picture["scores"]["demo taste"] > picture["start_scores"]["demo taste"] > 0
        assert len(picture["curve"]) > 5
        history = json.loads((finished / "jobs" / record["key"] / "history.json").read_text())["8"]
        assert len(history["rewards"]) == len(history["curves"]["history"]) == STEPS + 1
        assert max(row[0] for row in history["rewards"]) == picture["scores"]["demo taste"]


def test_a_job_that_always_fails_is_set_aside(finished):
    (text,) = (finished / "failed").glob("*.txt")
    told = text.read_text()
    assert told.startswith(f"'{BAD}', seed 104") and "try 3" in told and "what ComfyUI said last:" in told
    assert text.stem in (finished / "index.html").read_text()


def test_the_noise_is_that_of_the_bare_workflow(finished, server):
    """Byte by byte, whichever worker ran the job, and whatever it ran before."""
    template = load_workflow(API / "demo.json")
    for record in results(finished).values():
        workflow = collecting(overridden(template, record["set"]), record["key"])
        (noise,) = server.run(workflow)["outputs"]["batch noise 8"]["noises"]
        expected = (server.base / "output" / noise["subfolder"] / noise["filename"]).read_bytes()
        assert (finished / "jobs" / record["key"] / "noise_1.safetensors").read_bytes() == expected


def test_the_page_and_the_tables(finished):
    page = (finished / "index.html").read_text(encoding="utf-8")
    assert "4 pictures, 4 of 5 jobs" in page
    lines = [json.loads(line) for line in (finished / "results.jsonl").read_text().splitlines()]
    assert [line["prompt"] for line in lines] == PROMPTS
    assert len((finished / "results.csv").read_text().splitlines()) == len(PROMPTS) + 1
    assert (finished / "contact_sheet.png").stat().st_size > 0
