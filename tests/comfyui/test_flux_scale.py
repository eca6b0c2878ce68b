"""The benchmark at FLUX's scale, run at tiny size in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def rows(newer_host, comfyui, tmp_path_factory):
    path = tmp_path_factory.mktemp("scale") / "numbers.json"
    command = [sys.executable, "-m", "benchmarks.flux_scale", "--device", "cpu", "--size", "tiny", "--side", "64"]
    environment = {**os.environ, "COMFYUI_PATH": str(comfyui)}
    command += ["--rounds", "1", "--steps", "1", "--caps", "100", "0.001", "--json", path]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return {row["variant"]: row for row in json.loads(path.read_text())["rows"]}


def test_every_variant_is_measured(rows):
    assert len(rows) == 9 and all(row["seconds"] > 0 for row in rows.values())
    assert rows["recompute"]["gradient_differs_from_peer"] < 1e-4


def test_memory_is_less_than_the_peers(rows):
    """Counted, so it does not depend on the machine; seconds do."""
    assert rows["recompute"]["peak_gib"] < rows["keep"]["peak_gib"]
    assert rows["keep"]["peak_of_peer"] < 1 and rows["recompute"]["peak_of_peer"] < 1


@pytest.mark.parametrize("variant", ["keep", "recompute"])
def test_the_estimate_covers_the_peak_and_is_no_wild_guess(rows, variant):
    assert 1 < rows[variant]["estimate_of_peak"] < 3


def test_less_memory_keeps_less(rows):
    """In float8, planned for more memory than there can be needed, and for next to none."""
    assert all(row["weights_resident"] == 1 for row in rows.values())
    plenty, none = (rows[f"float8, auto, within {size} GB"] for size in ("100", "0.001"))
    assert plenty["kept"] == "keeping everything"
    assert none["kept"] == "recomputing the VAE and 100% of the model"
    assert none["peak_gib"] < plenty["peak_gib"]
