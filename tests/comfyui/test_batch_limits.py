"""A batch with a job that always fails, a server that hangs, Ctrl-C, and a disk that is full."""

import os
import signal
import subprocess
import sys
import time

import pytest

from .batch_command import ONE_PICTURE, BatchCommand, newer_host, results, wait_for

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc"),
    pytest.mark.usefixtures(newer_host.__name__),
]


def rows(folder, *lines):
    file = folder / "prompts.csv"
    file.write_text("\n".join(["prompt,8.steps,3.width,3.height,12.scale_by", *lines]))
    return file


def test_a_failing_job_a_hanging_server_and_ctrl_c(comfyui, tmp_path):
    # A picture of no pixel fails in the middle of the run.
    prompts = rows(tmp_path, "bad,2,16,16,0.01", "good,2", "hangs,60", "long,10000")
    out = tmp_path / "out"
    with BatchCommand(comfyui, tmp_path / "scratch", prompts, out, *ONE_PICTURE, "--step-limit", 12) as batch:
        batch.wait_for(batch.done, "the good one")
        batch.wait_for(batch.running, "the one that shall hang")
        (base,) = batch.running()
        os.kill(batch.servers()[base], signal.SIGSTOP)
        batch.wait_for(lambda: "'hangs', seed 7: ServerHangs: no progress for 12 s" in batch.text, "the hang is seen")
        batch.wait_for(lambda: len(batch.servers()) == 1 and base not in batch.servers(), "a new server")
        batch.wait_for(batch.running, "the long one")
        batch.process.send_signal(signal.SIGINT)
        began = time.monotonic()
        assert batch.finish() == 130
        assert time.monotonic() - began < 60
    assert "stopping at the next step" in batch.text
    assert sorted(results(out)) == ["good"], "the failed ones come last"
    assert (out / "index.html").is_file()

    prompts = rows(tmp_path, "bad,2,16,16,0.01", "good,2")
    with BatchCommand(comfyui, tmp_path / "again", prompts, out, *ONE_PICTURE) as batch:
        assert batch.finish() == 1
    assert sorted(results(out)) == ["good"]
    (text,) = (out / "failed").glob("*.txt")
    told = text.read_text()
    assert told.startswith("'bad', seed 7") and "try 3" in told and "what ComfyUI said last:" in told
    assert f"set aside after 3 tries: 'bad', seed 7: {told.split('try 1')[1].strip().splitlines()[0]}" in batch.text
    assert text.stem in (out / "index.html").read_text()


def test_a_second_ctrl_c_ends_at_once(comfyui, tmp_path):
    prompts = rows(tmp_path, "long,10000")
    with BatchCommand(comfyui, tmp_path / "s", prompts, tmp_path / "out", *ONE_PICTURE) as batch:
        batch.wait_for(batch.servers, "its server starts")
        batch.process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        batch.process.send_signal(signal.SIGINT)
        assert batch.process.wait(5) == 130
        wait_for(lambda: not batch.servers(), "no server stays", seconds=30)


def test_a_full_disk_stops_in_words_before_the_next_job(comfyui, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1400k", "tmpfs", out], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small disk can only be mounted by root")
    try:
        prompts = rows(tmp_path, *(f"{i},1" for i in range(9)))
        with BatchCommand(comfyui, tmp_path / "scratch", prompts, out, *ONE_PICTURE) as batch:
            code = batch.finish()
        assert code == 1 and "is full" in batch.text and "make room and run the same command again" in batch.text
        assert 0 < len(results(out)) < 9
        assert f"{len(results(out))} of 9 jobs are done" in batch.text
    finally:
        subprocess.run(["umount", out], check=True)
