"""The benchmark of memory modes, run at tiny size on the CPU: the same path as on a card, with other flags."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.memory_modes.models import Subject, write_models
from benchmarks.memory_modes.serving import WAYS, known_flags, possible_ways, run_on_server, write_paths

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def measured(newer_host, comfyui, tmp_path_factory):
    """Printed lines and rows."""
    path = tmp_path_factory.mktemp("modes") / "numbers.json"
    command = [sys.executable, "-m", "benchmarks.memory_modes", "--device", "cpu", "--size", "tiny", "--side", "32"]
    command += ["--layouts", "sdxl", "--dtypes", "bfloat16", "--steps", "1", "--json", path]
    environment = {**os.environ, "COMFYUI_PATH": str(comfyui)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines(), json.loads(path.read_text())["rows"]


def test_every_way_gives_the_same_gradient(measured):
    lines, rows = measured
    assert len(rows) == 4 and [row["verdict"] for row in rows] == ["reference", "same", "same", "same"]
    assert lines[0].startswith("| model | weights |")
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:6]]
    assert [row[:4] + row[-1:] for row in cells] == [
        ["SDXL", "bfloat16", " ".join(flags), memory, verdict]
        for flags, memory, verdict in (
            (("--cpu",), "keep", "reference"),
            (("--cpu",), "recompute", "same"),
            (("--cpu", "--force-fp32"), "keep", "same"),
            (("--cpu", "--force-fp32"), "recompute", "same"),
        )
    ]


def test_what_the_server_notes(measured):
    for row in measured[1]:
        assert row["difference"] < 1e-3 and row["deterministic"] and row["seconds"][0] > 0
        assert row["compute_dtype"] == "float32" == row["vae_dtype"] and not row["streamed"]
        assert row["loaded_bytes"] == row["model_bytes"] > 0 and row["required_bytes"] > 0
        assert row["peak_bytes"] is None and row["machine"] == "CPU"


def test_a_server_that_does_not_start_is_a_result(comfyui, tmp_path, capsys):
    subject = Subject("sdxl", "sdxl.safetensors", "vae.safetensors", 1, 1, 1)
    flags = ("--cpu", "--no-such-flag")
    (run,) = run_on_server(comfyui, write_paths(tmp_path), flags, subject, "float32", ["keep"], 32, 1)
    assert run.gradient is None and "ended with code 2" in run.failure
    assert "unrecognized arguments: --no-such-flag" in capsys.readouterr().err


def test_a_refusal_by_the_pack_is_a_result(host, comfyui, tmp_path, capsys):
    (subject,) = write_models(["sdxl"], "tiny", tmp_path, comfyui)
    (run,) = run_on_server(comfyui, write_paths(tmp_path), ("--cpu",), subject, "float32", ["keep"], 32, steps=-1)
    assert run.gradient is None and run.failure == "ValueError: steps is 0: set it to 1 or more."
    assert "Traceback" in capsys.readouterr().err


def test_the_flags_of_this_comfyui(comfyui):
    """Every way is possible on a ComfyUI with dynamic VRAM; without it, those that have nothing to do with it."""
    known = known_flags(comfyui)
    possible, missing = possible_ways(WAYS["cuda"], known)
    assert missing == ([] if "--disable-dynamic-vram" in known else [("--vram-headroom", "HALF")])
    assert len(possible) >= 7 and possible_ways(WAYS["cpu"], known) == (WAYS["cpu"], [])
