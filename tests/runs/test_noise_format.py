"""The file of a noise: what it holds, and what is refused."""

import json
import subprocess
from dataclasses import fields

import pytest
import torch
from gper_pack.runs.noise_format import read_noise, write_noise
from gper_pack.runs.pack_version import PACK_VERSION
from safetensors import safe_open
from safetensors.torch import save_file

from tools.pack import ROOT

from .noises import HISTORY, noise


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_what_is_written_is_read(tmp_path, dtype):
    tensor = noise(dtype=dtype)
    path = str(tmp_path / "a.safetensors")
    write_noise(path, tensor, 2**64 - 1, HISTORY, {"workflow": "{}"})
    read = read_noise(path)
    assert torch.equal(read.noise, tensor) and read.noise.dtype == dtype
    assert read.seed == 2**64 - 1 and read.history == HISTORY


def test_the_header_is_json_that_anybody_can_read(tmp_path):
    path = str(tmp_path / "a.safetensors")
    write_noise(path, noise(), 7, HISTORY, {"prompt": '{"1": {}}'})
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
    assert json.loads(header["shape"]) == [2, 16, 8, 8] and json.loads(header["seed"]) == 7
    assert json.loads(header["scores"]) == {"beauty + 0.5 crispness": [1.25, None], "beauty": [1.0, 2.0]}
    assert json.loads(header["pack_version"]).count(".") == 2
    assert json.loads(header["prompt"]) == {"1": {}}
    assert {entry.name for entry in fields(HISTORY)} <= set(header)


def test_the_same_noise_is_the_same_bytes(tmp_path):
    """safetensors itself writes the entries of a header in another order each time."""
    entries = {f"entry {i}": "ä" * i for i in range(20)}
    files = [tmp_path / f"{i}.safetensors" for i in range(4)]
    for file in files:
        write_noise(str(file), noise(), 7, HISTORY, dict(reversed(entries.items())) if file is files[0] else entries)
    assert len({file.read_bytes() for file in files}) == 1
    with safe_open(str(files[0]), framework="pt") as file:
        assert torch.equal(file.get_tensor("noise"), noise())
        assert {key: file.metadata()[key] for key in entries} == entries


def test_the_pack_version_is_that_of_the_project():
    project = ROOT / "pyproject.toml"
    assert f'\nversion = "{PACK_VERSION}"\n' in project.read_text(encoding="utf-8")


def damaged(path, **changes):
    """A file whose header, or tensor, was changed."""
    tensors = {"noise": changes.pop("tensor", noise())}
    write_noise(path, noise(), 7, HISTORY, {})
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
    save_file(tensors, path, {k: v for k, v in {**header, **changes}.items() if v is not None})


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(format="model"), "holds no noise"),
        (dict(format=None), "holds no noise"),
        (dict(format_version="99", pack_version='"8.0.0"'), "8.0.0.*update the pack"),
        (dict(seed=None), "header .* is damaged"),
        (dict(scores="{"), "header .* is damaged"),
        (dict(steps='"many"'), "header .* is damaged"),
        (dict(scores='{"beauty": ["high"]}'), "header .* is damaged"),
        (dict(start_scores='["high"]'), "header .* is damaged"),
        (dict(seed_equivalents='{"beauty": 3}'), "header .* is damaged"),
        (dict(seed_equivalents='{"beauty": [{"seeds": "many"}]}'), "header .* is damaged"),
        (dict(shape="[1, 2]"), r"shape \[1, 2\], but holds"),
        (dict(tensor=noise().long()), "int64"),
        (dict(tensor=noise() * torch.inf), "not finite"),
        (dict(tensor=noise().to(torch.float8_e4m3fn)), "float8_e4m3fn"),
        (dict(tensor=noise((0, 16, 8, 8)), shape="[0, 16, 8, 8]"), r"shape \[0, 16, 8, 8\], which is no noise"),
        (dict(seed="Infinity"), "header .* is damaged"),
        (dict(seed="NaN"), "header .* is damaged"),
        (dict(seed="9" * 5000), "header .* is damaged"),
        (dict(seed="9" * 50), "64 bits"),
        (dict(scores="[" * 200_000), "header .* is damaged"),
        (dict(scores='{"beauty": 1}'), "header .* is damaged"),
        (dict(pack_version="7"), "header .* is damaged"),
        (dict(batch_index="[0]"), "header .* is damaged"),
        (dict(batch_index='["a", "b"]'), "header .* is damaged"),
    ],
)
def test_foreign_and_damaged_files_are_refused(tmp_path, changes, message):
    path = str(tmp_path / "a.safetensors")
    damaged(path, **changes)
    with pytest.raises(ValueError, match=message) as error:
        read_noise(path)
    assert "a.safetensors" in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 400


@pytest.mark.parametrize("keep", [0, 4, 100, 5000])
def test_a_half_copied_file_is_refused(tmp_path, keep):
    path = tmp_path / "a.safetensors"
    write_noise(str(path), noise(), 7, HISTORY, {})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="a.safetensors is damaged or only half copied"):
        read_noise(str(path))


def test_a_full_disk_leaves_the_old_file(tmp_path):
    """Where a file system of one's own can be mounted, a really full one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        path = disk / "a.safetensors"
        write_noise(str(path), noise(), 7, HISTORY, {})
        old = path.read_bytes()
        with pytest.raises(OSError, match=r"could not be written to .* \(.*\): make room") as error:
            write_noise(str(path), noise((2, 16, 64, 64)), 7, HISTORY, {})
        assert "\n" not in str(error.value)
        assert path.read_bytes() == old and list(disk.iterdir()) == [path]
    finally:
        subprocess.run(["umount", disk], check=True)
