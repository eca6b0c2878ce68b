import pytest
import torch
from numpy import float64
from safetensors.torch import save_file

from reward_models.checkpoint import open_checkpoint

pytestmark = pytest.mark.numerical

WEIGHTS = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.ones(4, dtype=torch.bfloat16)}


def save_flat(path):
    torch.save(WEIGHTS, path)


def save_nested(path):
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in WEIGHTS.items()}, "epoch": 3}, path)


def save_legacy(path):
    torch.save(WEIGHTS, path, _use_new_zipfile_serialization=False)


def save_safetensors(path):
    save_file({f"module.{name}": tensor for name, tensor in WEIGHTS.items()}, path)


WRITERS = [save_flat, save_nested, save_legacy, save_safetensors]


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("name", ["weights.pt", "weights.bin"])
def test_every_container_gives_the_same_tensors(tmp_path, write, name):
    write(tmp_path / name)
    checkpoint = open_checkpoint(tmp_path / name)
    assert checkpoint.shapes == {"a.weight": (2, 3), "b": (4,)}
    for key, expected in WEIGHTS.items():
        torch.testing.assert_close(checkpoint.tensor(key), expected)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_half_a_download_is_named_as_such(tmp_path, write, share):
    path = tmp_path / "weights.pt"
    write(path)
    contents = path.read_bytes()
    path.write_bytes(contents[: int(share * len(contents))])
    with pytest.raises(ValueError, match="weights.pt is damaged or incomplete"):
        open_checkpoint(path)


@pytest.mark.parametrize(
    "start", [b"<!DOCTYPE html><html>", b"\n<html>", b"version https://git-lfs.github.com/spec/v1\n"]
)
def test_web_page_or_lfs_pointer_is_named_as_such(tmp_path, start):
    (tmp_path / "weights.pt").write_bytes(start + b"x" * 100)
    with pytest.raises(ValueError, match="web page or a Git LFS pointer"):
        open_checkpoint(tmp_path / "weights.pt")


@pytest.mark.parametrize("contents", [b"", b"hello, this is no weight file"])
def test_other_files_are_refused(tmp_path, contents):
    (tmp_path / "weights.pt").write_bytes(contents)
    with pytest.raises(ValueError, match="neither a safetensors nor a torch weight file"):
        open_checkpoint(tmp_path / "weights.pt")


def test_training_checkpoint_with_python_objects_is_not_loaded(tmp_path):
    torch.save({"state_dict": WEIGHTS, "best": float64(0.8)}, tmp_path / "HPS_v2.pt")
    with pytest.raises(ValueError, match="HPS_v2_compressed.pt or HPS_v2.1_compressed.pt"):
        open_checkpoint(tmp_path / "HPS_v2.pt")


def test_code_in_a_pickle_is_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    torch.save({"weight": Trap()}, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="Python objects besides tensors"):
        open_checkpoint(tmp_path / "weights.pt")
    assert not (tmp_path / "sprung").exists()


def test_torchscript_archive_is_refused_in_favour_of_safetensors(tmp_path):
    torch.jit.script(torch.nn.Linear(2, 3)).save(tmp_path / "ViT-L-14.pt")
    with pytest.raises(ValueError, match="TorchScript.*model.safetensors of openai/clip-vit-large-patch14"):
        open_checkpoint(tmp_path / "ViT-L-14.pt")


@pytest.mark.parametrize("contents", [[torch.ones(2)], {"weight": torch.ones(2), "step": 3}, torch.ones(3)])
def test_anything_but_a_table_of_tensors_is_refused(tmp_path, contents):
    torch.save(contents, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="not a table of named tensors"):
        open_checkpoint(tmp_path / "weights.pt")


def test_absent_file_and_folder(tmp_path):
    with pytest.raises(ValueError, match="There is no file"):
        open_checkpoint(tmp_path / "absent.pt")
    with pytest.raises(ValueError, match="is a folder"):
        open_checkpoint(tmp_path)


def test_a_needed_tensor_that_is_absent_is_named(tmp_path):
    save_flat(tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="weights.pt is incomplete: it lacks c.weight"):
        open_checkpoint(tmp_path / "weights.pt").shape("c.weight")


@pytest.mark.parametrize("write", [save_flat, save_legacy])
def test_torch_file_under_a_safetensors_name_is_named_as_such(tmp_path, write):
    write(tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match="a torch file under the name of a safetensors file; rename it to .pt"):
        open_checkpoint(tmp_path / "weights.safetensors")


@pytest.mark.parametrize("length", [0x0280, 0x4B50])
def test_safetensors_header_length_that_looks_like_another_format(tmp_path, length):
    save_file(WEIGHTS, tmp_path / "weights.safetensors")
    contents = (tmp_path / "weights.safetensors").read_bytes()
    header_end = 8 + int.from_bytes(contents[:8], "little")
    padded = length.to_bytes(8, "little") + contents[8:header_end].ljust(length) + contents[header_end:]
    (tmp_path / "weights.safetensors").write_bytes(padded)
    torch.testing.assert_close(
        open_checkpoint(tmp_path / "weights.safetensors").tensor("a.weight"), WEIGHTS["a.weight"]
    )
