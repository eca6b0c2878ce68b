"""`python run.py batch` with bad input: one clear line, at once, with nothing installed and nothing left behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "workflows" / "api" / "demo.json"


def run(tmp_path, *arguments, **environment):
    return subprocess.run(
        [sys.executable, ROOT / "run.py", "batch", *map(str, arguments)],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path), "COMFYUI_PATH": "", **environment},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def prompts(tmp_path):
    (tmp_path / "prompts.txt").write_text("a fox\n")
    return "prompts.txt"  # relative paths are those of the user's folder


@pytest.mark.parametrize(
    "arguments, told",
    [
        ([], "prompts is missing"),
        (["none.txt", "--workflow", DEMO, "--out", "o"], "there is no file none.txt"),
        (["prompts.txt", "--workflow", DEMO], "--out is missing"),
        (["prompts.txt", "--workflow", ROOT / "workflows" / "demo.json", "--out", "o"], "Export (API)"),
        (["prompts.txt", "--workflow", DEMO, "--out", "o", "--set", "8.stps=3"], "has no input 'stps'"),
        (["--report", "o"], "o holds no batch"),
    ],
)
def test_bad_input_is_told_before_anything_is_installed(tmp_path, prompts, arguments, told):
    done = run(tmp_path, *arguments)
    (line,) = done.stdout.splitlines()
    assert line.startswith("[run.py] error: ") and told in line
    assert done.returncode == 2 and done.stderr == ""
    assert [path.name for path in tmp_path.iterdir()] == ["prompts.txt"]


def test_no_comfyui(tmp_path, prompts):
    if (ROOT.parent.parent / "main.py").is_file():
        pytest.skip("this checkout is in a ComfyUI")
    arguments = [prompts, "--workflow", DEMO, "--out", "o"]
    done = run(tmp_path, *arguments)
    assert done.stdout == "[run.py] error: no ComfyUI was found: set COMFYUI_PATH to a ComfyUI folder\n"
    assert done.returncode == 2
    done = run(tmp_path, *arguments, "--here", COMFYUI_PATH=str(tmp_path))
    assert "which is no ComfyUI folder" in done.stderr and done.returncode == 2


def test_servers_that_do_not_answer(tmp_path, prompts):
    done = run(tmp_path, prompts, "--workflow", DEMO, "--out", "o", "--here", "--servers", "http://127.0.0.1:9")
    assert done.returncode == 1 and "http://127.0.0.1:9 does not answer" in done.stderr
    assert not (tmp_path / "o").exists()


def test_the_help_shows_how(tmp_path):
    done = run(tmp_path, "--help")
    assert done.returncode == 0 and "--report night" in done.stdout
