"""`python run.py`, run as a user runs it, on a copy of it with a test suite of its own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OUTCOMES = """
import os
import pytest

def test_passes():
    pass

def test_fails():
    assert os.environ.get("FAIL") != "1"

def test_is_skipped():
    pytest.skip("a reason")

@pytest.fixture
def broken():
    assert os.environ.get("FAIL") != "1"

def test_errs(broken):
    pass
"""
NEEDS_COMFYUI = """
import os
import pytest

def test_version():
    if "COMFYUI_PATH" not in os.environ:
        pytest.skip("no host")
    assert open(os.environ["COMFYUI_PATH"] + "/comfyui_version.py").read().startswith("__version__")
"""


@pytest.fixture
def checkout(tmp_path):
    """A checkout with three outcomes among its tests and a demo that prints its arguments."""
    root = tmp_path / "custom_nodes" / "pack"
    (root / "tests" / "comfyui").mkdir(parents=True)
    (root / "demo").mkdir()
    shutil.copy(ROOT / "run.py", root)
    shutil.copytree(ROOT / "tools", root / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "tests" / "test_outcomes.py").write_text(OUTCOMES)
    (root / "tests" / "comfyui" / "test_host.py").write_text(NEEDS_COMFYUI)
    (root / "demo" / "__main__.py").write_text("import sys; print(sys.argv[1:]); sys.exit(3)")
    return root


def run(checkout, *arguments, **environment):
    environment.setdefault("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # halves the start of pytest
    for name in ("COMFYUI_PATH", "PYTEST_ADDOPTS"):
        environment.setdefault(name, "")
    home = str(checkout / "no-home")
    environment = {**os.environ, "HOME": home, "USERPROFILE": home, **environment}
    command = [sys.executable, "run.py", *arguments]
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)


def make_comfyui(folder, version):
    (folder / "comfy").mkdir(parents=True)
    (folder / "main.py").touch()
    (folder / "comfyui_version.py").write_text(f'__version__ = "{version}"\n')
    return folder


def test_closing_lines_without_comfyui(checkout):
    result = run(checkout, "test", "--here")
    lines = result.stdout.splitlines()
    assert lines[-1] == "3 passed, 0 failed, 2 skipped"
    assert lines[-2].startswith("No ComfyUI was found, so 1 integration tests were skipped")
    assert "skipped 1: a reason" in lines
    assert result.returncode == 0, result.stderr


def test_failures_and_errors_count_as_failed(checkout):
    result = run(checkout, "test", "--here", FAIL="1")
    assert result.stdout.splitlines()[-1] == "1 passed, 2 failed, 2 skipped"
    assert result.returncode == 1


def test_one_process_for_each_comfyui_newest_first(checkout, tmp_path):
    old, new = make_comfyui(tmp_path / "a", "0.33.0"), make_comfyui(tmp_path / "b", "0.4.1")
    result = run(checkout, "test", "--here", COMFYUI_PATH=os.pathsep.join(map(str, [old, new])))
    *shown, first, second, _, _, last = result.stdout.splitlines()
    assert first == f"ComfyUI 0.33.0 in {old}: 1 passed, 0 failed, 0 skipped"
    assert second == f"ComfyUI 0.4.1 in {new}: 1 passed, 0 failed, 0 skipped"
    assert last == "5 passed, 0 failed, 1 skipped"
    # side by side, but one after the other on the page
    events = [line for line in shown if line.startswith("[run.py]") or " in 0." in line]
    assert ["pytest" in line for line in events] == [True, False] * 3


@pytest.mark.skipif(os.name == "nt", reason="signals of another kind")
def test_ctrl_c_ends_everything(checkout, tmp_path):
    """Neither do runs that wait begin, nor do those that run go on."""
    sleeping = "import os, time, pathlib\ndef test():\n    pathlib.Path(os.environ['MARKS'], str(os.getpid())).touch()"
    (checkout / "tests" / "comfyui" / "test_host.py").write_text(sleeping + "\n    time.sleep(60)\n")
    (checkout / "tests" / "test_outcomes.py").write_text(sleeping + "\n    time.sleep(60)\n")
    marks = tmp_path / "marks"
    marks.mkdir()
    hosts = [make_comfyui(tmp_path / str(index), f"0.{20 + index}.0") for index in range(1 + (os.cpu_count() or 1))]
    environment = {"COMFYUI_PATH": os.pathsep.join(map(str, hosts)), "MARKS": str(marks), "PYTEST_ADDOPTS": ""}
    running = subprocess.Popen(
        [sys.executable, "run.py", "test", "--here"],
        cwd=checkout,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # whoever runs in the background ignores it
    )
    try:
        while not any(marks.iterdir()):
            assert running.poll() is None
            time.sleep(0.1)
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 130
    finally:
        running.kill()
    before = len(list(marks.iterdir()))
    assert before <= (os.cpu_count() or 1) + 1
    for mark in marks.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(mark.name), 0)


def test_finds_the_comfyui_that_holds_the_checkout(checkout, tmp_path):
    make_comfyui(tmp_path, "0.20.0")
    assert f"ComfyUI 0.20.0 in {tmp_path}: 1 passed" in run(checkout, "test", "--here").stdout


def test_wrong_comfyui_path_is_refused_before_any_work(checkout, tmp_path):
    result = run(checkout, "test", COMFYUI_PATH=str(tmp_path / "nothing"))
    assert result.returncode == 2
    assert "nothing, which is no ComfyUI folder" in result.stdout
    assert not (checkout / ".venv").exists()


def test_a_crash_counts_as_failed(checkout):
    (checkout / "tests" / "test_crash.py").write_text("import os\ndef test(): os._exit(9)\n")
    result = run(checkout, "test", "--here")
    assert result.stdout.splitlines()[-1] == "0 passed, 1 failed, 1 skipped"
    assert result.returncode == 1


def test_no_test_at_all_is_a_failure(checkout):
    assert run(checkout, "test", "--here", "-k", "no_such_test").returncode == 1


def test_demo_gets_the_arguments_and_gives_its_exit_code(checkout):
    result = run(checkout, "demo", "--here", "--steps", "20", "--help")
    assert result.stdout.splitlines()[-1] == "['--steps', '20', '--help']"
    assert result.returncode == 3


BATCH = """
import signal, sys, time
def main(arguments):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    print(*arguments, flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="ends a process without asking it")
def test_a_batch_is_told_when_the_command_is_to_end(checkout):
    """Its own interpreter would otherwise go on alone."""
    (checkout / "batch").mkdir()
    (checkout / "batch" / "__main__.py").write_text(BATCH)
    (checkout / "batch" / "request.py").write_text("def read_request(arguments): return None")
    installed = "import sys, run; run.prepare_environment = lambda *_: sys.executable; sys.exit(run.main())"
    command = [sys.executable, "-c", installed, "batch", "prompts.txt"]
    running = subprocess.Popen(command, cwd=checkout, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout.readline() == "prompts.txt\n"
        running.terminate()
        assert running.wait(30) == 130
        assert running.stdout.read() == "", "nobody holds the pipe any more"
    finally:
        running.kill()


FAKE_UV = """
import json, os, sys
calls = os.environ["CALLS"]
with open(calls, "a") as log:
    patience = {name: value for name, value in os.environ.items() if name.startswith("UV_HTTP")}
    log.write(json.dumps([sys.argv[1:], patience]) + "\\n")
if "--torch-backend=auto" in sys.argv and os.environ.get("OUT_OF_REACH"):
    sys.exit("no such host")
"""


@pytest.fixture
def installs(checkout, tmp_path):
    """`install_torch` with an installer that writes down what it is asked for; returns its output and those calls."""
    (checkout / "requirements-dev.txt").write_text("torch==0.0.1\ntorchvision==0.0.2\npytest\n")
    installer, calls = tmp_path / "uv.py", tmp_path / "calls"
    installer.write_text(FAKE_UV)

    def install(**environment):
        calls.write_text("")
        code = "import run, sys; run.install_torch(sys.executable, [sys.executable, sys.argv[1]])"
        known = {name: value for name, value in os.environ.items() if not name.startswith("UV_")}
        done = subprocess.run(
            [sys.executable, "-c", code, str(installer)],
            cwd=checkout,
            env={**known, "CALLS": str(calls), **environment},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, [json.loads(line) for line in calls.read_text().splitlines()]

    return install


def test_torch_is_asked_for_in_the_build_for_this_machine(installs):
    output, [[arguments, patience]] = installs()
    assert arguments == ["--torch-backend=auto", "torch==0.0.1", "torchvision==0.0.2"] and output == ""
    tries = 1 + int(patience["UV_HTTP_RETRIES"])
    assert tries * (int(patience["UV_HTTP_CONNECT_TIMEOUT"]) + int(patience["UV_HTTP_TIMEOUT"])) <= 60
    assert installs(UV_HTTP_TIMEOUT="300")[1][0][1]["UV_HTTP_TIMEOUT"] == "300"


def test_an_index_of_torch_out_of_reach_is_said_in_words(installs):
    output, calls = installs(OUT_OF_REACH="1")
    assert "taking the package index's" in output and len(calls) == 1


@pytest.mark.parametrize("silent", ["index", "proxy"])
def test_an_index_that_accepts_and_never_answers_is_given_up(checkout, silent):
    """By uv itself, whose seconds of patience are fewer here; the connection stays open and nobody says a word."""
    if subprocess.run([sys.executable, "-m", "uv", "--version"], capture_output=True).returncode:
        pytest.skip("there is no uv")
    # A name that is not torch's comes from the package index, the others from torch's own, by https.
    (checkout / "requirements-dev.txt").write_text("torchless==0.0.1\n" if silent == "index" else "torch==0.0.1\n")
    code = (
        "import run, sys; run.install_torch(sys.executable, [sys.executable, '-m', 'uv', 'pip', 'install', '--dry-run',"
    )
    code += " '--python', sys.executable, '--no-cache'])"
    known = {name: value for name, value in os.environ.items() if "PROXY" not in name.upper()}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        environment = {"UV_DEFAULT_INDEX": f"{address}/simple"} if silent == "index" else {"HTTPS_PROXY": address}
        environment |= {"UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": "1", "UV_HTTP_CONNECT_TIMEOUT": "1"}
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=checkout,
            env={**known, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0 and "taking the package index's" in done.stdout, done.stderr
    assert "timed out" in done.stderr and time.monotonic() - begun < 30


def test_the_build_that_the_user_chose_stays(installs):
    assert installs(UV_TORCH_BACKEND="cu130") == ("", [])


def test_torch_that_is_there_is_left_alone(installs, checkout):
    import torch

    installed = torch.__version__.partition("+")[0]
    (checkout / "requirements-dev.txt").write_text(f"torch=={installed}\npytest\n")
    assert installs() == ("", [])
