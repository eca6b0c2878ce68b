"""A server does not outlive its worker, however that ends."""

import os
import subprocess
import sys
import time

import pytest

from batch.own_server import KEEPER

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of another kind")
SERVER = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SERVER
OWNER = """
import subprocess, sys, time
keeper = subprocess.Popen([sys.executable, *sys.argv[1:]], stdin=subprocess.PIPE)
keeper.wait()  # it leaves its parent, which cannot end it therefore
print("left", flush=True)
time.sleep(60)
"""


def wait_for(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def base(tmp_path):
    folder = tmp_path / "base"
    folder.mkdir()
    return folder


def arguments(base, code):
    return [str(KEEPER), str(base), str(base / "server.log"), sys.executable, "-c", code]


def pid_of(base):
    wait_for(lambda: (base / "server.log").exists() and (base / "server.log").read_text().endswith("\n"))
    return int((base / "server.log").read_text())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_a_killed_owner_takes_the_server_and_its_folder_with_it(base):
    owner = subprocess.Popen([sys.executable, "-c", OWNER, *arguments(base, SERVER)], stdout=subprocess.PIPE)
    assert owner.stdout.readline() == b"left\n"
    pid = pid_of(base)
    owner.kill()
    owner.wait()
    wait_for(lambda: not alive(pid) and not base.exists())


@pytest.mark.parametrize("word", [b"", b"k"])
@pytest.mark.parametrize("code", [SERVER, STUBBORN])
def test_the_server_ends_when_it_is_let_go(base, word, code):
    keeper = subprocess.Popen([sys.executable, *arguments(base, code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    pid_of(base)
    began = time.monotonic()
    keeper.stdin.write(word)
    keeper.stdin.close()
    assert keeper.stdout.read() == b"", "until its end"
    assert not base.exists()
    if word:
        assert time.monotonic() - began < 4, "at once"


def test_a_server_that_ends_by_itself_leaves_its_log(base):
    keeper = subprocess.Popen(
        [sys.executable, *arguments(base, "print('broken'); raise SystemExit(3)")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert keeper.stdout.read() == b"3\n"
    assert (base / "server.log").read_text() == "broken\n"
    keeper.stdin.close()
