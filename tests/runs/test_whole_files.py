"""Files that are there as a whole or not at all, whatever goes wrong while they are written."""

import subprocess
import sys

import pytest

from tools.pack import ROOT

FULL_DISK = """
import resource, sys
sys.path.insert(0, {root!r})
from runs.whole_files import written_whole
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
try:
    with written_whole({path!r}) as partial:
        save_file({{"noise": torch.zeros(100_000)}}, partial)
except (OSError, SafetensorError):
    print("refused")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no limit of a file's size")
def test_a_file_that_grows_too_large_leaves_the_old_one(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"old")
    code = FULL_DISK.format(root=str(ROOT), path=str(path))
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.stdout == "refused\n", ran.stderr
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_killed_process_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    code = (
        f"import os, sys; sys.path.insert(0, {str(ROOT)!r}); from runs.whole_files import written_whole\n"
        f"with written_whole({str(path)!r}) as partial:\n open(partial, 'w').write('new' * 9); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    assert path.read_text() == "old"
