"""A batch on a ComfyUI that runs already: lists, score tables, several pictures, and what is known of each."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load

from batch.collecting import collecting
from batch.comfy_client import ComfyClient, JobFailed
from batch.overrides import overridden
from batch.workflow import load_workflow

from .batch_command import API, BatchCommand, results


@pytest.fixture
def run(comfyui, server, tmp_path):
    """Runs prompts through a shipped workflow on the server; returns the records by label."""

    def run(workflow, *arguments):
        (tmp_path / "prompts.txt").write_text("one\ntwo\n")
        out = tmp_path / "out"
        arguments = (tmp_path / "prompts.txt", out, "--servers", server.url, *arguments)
        with BatchCommand(comfyui, tmp_path / "scratch", *arguments, workflow=workflow) as batch:
            assert batch.finish() == 0, batch.text
        assert not batch.servers(), "none of its own"
        return results(out)

    return run


def noise(folder, name):
    return load((folder / name).read_bytes())["noise"]


@pytest.mark.usefixtures("newer_host")
def test_a_list_of_seeds_that_is_ranked(run, tmp_path):
    """Four runs in a job: each picture has the noise and the scores of its own run, though they come best first."""
    records = run("ranked_seeds", "--set", "8.steps=2")
    for record in records.values():
        folder = tmp_path / "out" / "jobs" / record["key"]
        watched = record["rewards"][1]
        pictures = record["pictures"]
        assert len(pictures) == 4 and record["rewards"][0] == "demo taste"
        ranked = [picture["scores"][watched] for picture in pictures]
        assert ranked == sorted(ranked, reverse=True), "as Rank Results has them"
        for place, picture in enumerate(pictures, 1):
            # The workflow's own Save Noise gets them ranked, beside those that the batch saves as they were made.
            assert torch.equal(noise(folder, picture["noise"]), noise(folder, f"noise_{place}.safetensors"))
            assert picture["scores"]["demo taste"] == header_scores(folder / picture["noise"])["demo taste"][0]
        assert len({picture["noise"] for picture in pictures}) == 4
    assert records["one"]["set"] == {"8.steps": 2, "5.first": 20, "8.prompt": "one", "12.prompts": "one"}


def header_scores(file):
    with safe_open(file, "pt") as opened:
        return json.loads(opened.metadata()["scores"])


def test_a_batch_of_seeds_and_its_best(run):
    """The best picture, saved twice, is there once; every picture has the scores of the table."""
    records = run("best_of_seeds", "--set", "3.batch_size=5")
    for record in records.values():
        assert len(record["pictures"]) == 5
        assert record["rewards"] == list(record["pictures"][0]["scores"]) and len(record["rewards"]) >= 2
        assert len({picture["scores"]["demo taste"] for picture in record["pictures"]}) == 5


def test_half_a_refusal_is_one(server):
    """ComfyUI runs what is sound of a workflow and leaves the rest out: here the start alone would be painted."""
    workflow = overridden(load_workflow(API / "demo.json"), {"8.steps": 999_999})
    with pytest.raises(JobFailed, match=r"node 8 \(GPER_NoiseOptimizer\): Value 999999 bigger than max"):
        ComfyClient(server.url).run(collecting(workflow, "refused"), step_limit=60)


@pytest.mark.usefixtures("newer_host")
def test_what_does_not_fit_is_told_before_the_first_job(comfyui, server, tmp_path):
    (tmp_path / "prompts.csv").write_text("prompt,8.steps\none,1\ntwo,999999\n")
    arguments = (tmp_path / "prompts.csv", tmp_path / "out", "--servers", server.url)
    with BatchCommand(comfyui, tmp_path / "scratch", *arguments) as batch:
        assert batch.finish() == 2
    assert "error: node 8 (Noise Optimizer): steps is 999999, it goes from 1 to 10000\n" in batch.text
    assert not batch.done()
