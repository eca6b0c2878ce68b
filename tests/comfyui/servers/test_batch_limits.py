"""A batch with a job that fails, Ctrl-C once and twice, and a disk that is full."""

import signal
import subprocess
import sys
import time

import pytest

from .batch_command import ONE_PICTURE, BatchCommand, results, wait_for

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc"),
    pytest.mark.usefixtures("newer_host"),
]


def rows(folder, *lines):
    file = folder / "prompts.csv"
    file.write_text("\n".join(["prompt,8.steps,6.denoise", *lines]))
    return file


def test_three_tries_and_ctrl_c(comfyui, server, tmp_path):
    out = tmp_path / "out"
    on_server = (*ONE_PICTURE, "--servers", server.url)
    # Sampling without a step fails in the middle of the run.
    bad, good, endless = "bad,2,0", "good,2,1", "endless,10000,1"
    with BatchCommand(comfyui, tmp_path / "s", rows(tmp_path, bad, good, endless), out, *on_server) as batch:
        batch.wait_for(batch.done, "the good one")
        batch.wait_for(lambda: server.get("/queue")["queue_running"], "the endless one")
        batch.process.send_signal(signal.SIGINT)
        began = time.monotonic()
        assert batch.finish() == 130
        assert time.monotonic() - began < 60
    assert "stopping at the next step" in batch.text
    assert "tried again later: 'bad', seed 7: node " in batch.text
    assert sorted(results(out)) == ["good"], "one that has failed comes after the others"
    assert (out / "index.html").is_file()

    with BatchCommand(comfyui, tmp_path / "s", rows(tmp_path, bad, good), out, *on_server) as batch:
        assert batch.finish() == 1
    assert sorted(results(out)) == ["good"]
    (text,) = (out / "failed").glob("*.txt")
    told = text.read_text()
    assert told.startswith("'bad', seed 7") and "try 3" in told
    assert f"set aside after 3 tries: 'bad', seed 7: {told.split('try 1')[1].strip().splitlines()[0]}" in batch.text


def test_a_second_ctrl_c_ends_at_once(comfyui, tmp_path):
    prompts = rows(tmp_path, "endless,10000,1")
    with BatchCommand(comfyui, tmp_path / "s", prompts, tmp_path / "out", *ONE_PICTURE) as batch:
        batch.wait_for(batch.servers, "its server starts")
        batch.process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        batch.process.send_signal(signal.SIGINT)
        assert batch.process.wait(5) == 130
        wait_for(lambda: not batch.servers(), "no server stays", seconds=30)


def test_a_full_disk_stops_in_words_before_the_next_job(comfyui, server, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1400k", "tmpfs", out], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small disk can only be mounted by root")
    try:
        prompts = rows(tmp_path, *(f"{i},1,1" for i in range(9)))
        arguments = (prompts, out, *ONE_PICTURE, "--servers", server.url)
        with BatchCommand(comfyui, tmp_path / "s", *arguments) as batch:
            code = batch.finish()
        assert code == 1 and "is full" in batch.text and "make room and run the same command again" in batch.text
        assert 0 < len(results(out)) < 9
        assert f"{len(results(out))} of 9 jobs are done" in batch.text
    finally:
        subprocess.run(["umount", out], check=True)
