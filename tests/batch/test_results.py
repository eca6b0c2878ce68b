"""Results on disk: whole or not at all, once, and what happens when there is no room."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from batch.jobs import Job
from batch.results import DiskFull, Results

JOB = Job("k" * 16, 0, "a fox", 7, {"8.steps": 3}, "m")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def results(tmp_path):
    made = Results(tmp_path / "out")
    made.prepare()
    return made


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small disk can only be mounted by root")
    yield folder
    subprocess.run(["umount", folder], check=True)


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_result_and_its_files(results):
    record = results.write(JOB, {"pictures": []}, {"best_1.png": b"picture"})
    assert record == {"key": JOB.key, "label": "a fox", "seed": 7, "set": {"8.steps": 3}, "pictures": []}
    place = results.folder / "jobs" / JOB.key
    assert (place / "best_1.png").read_bytes() == b"picture"
    assert json.loads((place / "result.json").read_text()) == record
    assert results.done() == {JOB.key}
    assert list(results.records(["none", JOB.key])) == [record]


def test_the_first_result_stays(results):
    results.write(JOB, {"try": 1}, {})
    results.write(JOB, {"try": 2}, {})
    assert next(results.records([JOB.key]))["try"] == 1
    assert everything(results.folder) == [f"jobs/{JOB.key}/result.json"]


def test_half_a_result_is_removed_and_does_not_count(results):
    half = results.folder / f".partial-{JOB.key}-1"
    half.mkdir()
    (half / "result.json").write_text("{")
    assert results.done() == set()
    Results(results.folder).prepare()
    assert everything(results.folder) == []


def test_a_full_disk_keeps_what_is_there_and_nothing_half(small_disk):
    results = Results(small_disk / "out")
    results.prepare()
    results.write(JOB, {}, {"best_1.png": b"x" * 100_000})
    other = Job("o" * 16, 0, "b", 7, {}, "m")
    with pytest.raises(DiskFull, match="the disk of .* is full .*make room and run the same command again"):
        results.write(other, {}, {"best_1.png": b"x" * 1_000_000, "best_2.png": b"x" * 1_000_000})
    assert everything(results.folder) == [f"jobs/{JOB.key}/best_1.png", f"jobs/{JOB.key}/result.json"]
    with pytest.raises(DiskFull):
        results.write_text(results.folder / "index.html", "x" * 3_000_000)
    assert everything(results.folder) == [f"jobs/{JOB.key}/best_1.png", f"jobs/{JOB.key}/result.json"]


def test_room_is_looked_for_before_a_job(small_disk):
    results = Results(small_disk / "out")
    results.prepare()
    results.write(JOB, {}, {"best_1.png": b"x" * 300_000})
    results.check_room(1)
    with pytest.raises(DiskFull, match="MB are free"):
        results.check_room(4)


def test_a_job_that_is_set_aside_and_then_done(results):
    file = results.set_aside(JOB, {"1": {}}, ["first error", "second error"])
    text = file.read_text()
    assert "'a fox', seed 7" in text and "8.steps = 3" in text and "try 2\nsecond error" in text
    assert json.loads(file.with_suffix(".json").read_text()) == {"1": {}}
    results.write(JOB, {}, {})
    assert everything(results.folder) == [f"jobs/{JOB.key}/result.json"]


@pytest.mark.skipif(os.name == "nt", reason="signals of another kind")
def test_two_batches_never_share_a_folder(results):
    """The second one is refused; a killed one holds nothing back."""
    code = (
        "import sys, time; from pathlib import Path; from batch.results import Results\n"
        "with Results(Path(sys.argv[1])).lock(): print('in', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, results.folder], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"in\n"
        with pytest.raises(ValueError, match="another batch writes into"), results.lock():
            pass
    finally:
        holder.kill()
        holder.wait()
    with results.lock():
        pass
