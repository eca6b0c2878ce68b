"""The benchmark at FLUX's scale, run at tiny size in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def rows(comfyui, tmp_path_factory):
    path = tmp_path_factory.mktemp("scale") / "numbers.json"
    command = [sys.executable, "-m", "benchmarks.flux_scale", "--device", "cpu", "--size", "tiny", "--side", "64"]
    environment = {**os.environ, "COMFYUI_PATH": str(comfyui)}
    subprocess.run([*command, "--rounds", "1", "--steps", "1", "--json", path], cwd=ROOT, env=environment, check=True)
    return {row["variant"]: row for row in json.loads(path.read_text())["rows"]}


def test_every_variant_is_measured(rows):
    assert len(rows) == 7 and all(row["seconds"] > 0 for row in rows.values())
    assert rows["recompute"]["gradient_differs_from_peer"] < 1e-4


def test_memory_is_less_than_the_peers(rows):
    """Counted, so it does not depend on the machine; seconds do."""
    assert rows["recompute"]["peak_gib"] < rows["keep"]["peak_gib"]
    assert rows["keep"]["peak_of_peer"] < 1 and rows["recompute"]["peak_of_peer"] < 1
