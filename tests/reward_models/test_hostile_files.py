"""Files made to run code, to fill memory or to trip the reader: each is refused in one line, at once."""

import os
import pickle
import zipfile

import pytest
import torch

from reward_models import inspect_reward_file
from reward_models.checkpoint import open_checkpoint


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)

    def __hash__(self):
        return 0


def zipped(contents, path):
    torch.save(contents, path)


def legacy(contents, path):
    torch.save(contents, path, _use_new_zipfile_serialization=False)


def bare_pickle(contents, path):
    path.write_bytes(pickle.dumps(contents, protocol=2))


def zipped_by_hand(contents, path):
    """An archive of torch's layout whose pickle is written and compressed by another program."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(contents, protocol=2))
        archive.writestr("archive/version", "3")


PLACES = {
    "alone": lambda trap: trap,
    "value": lambda trap: {"layers.0.weight": trap},
    "key": lambda trap: {trap: torch.ones(2)},
    "nested": lambda trap: {"state_dict": {"a": torch.ones(2)}, "optimizer": [trap]},
    "after the weights": lambda trap: {"a": torch.ones(2), "z": trap},
}


@pytest.mark.parametrize("write", [zipped, legacy, bare_pickle, zipped_by_hand])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("suffix", [".pt", ".bin", ".safetensors"])
def test_code_in_a_file_is_never_run(tmp_path, write, place, suffix):
    sprung, path = tmp_path / "sprung", tmp_path / f"ImageReward{suffix}"
    write(PLACES[place](Trap(sprung)), path)
    with pytest.raises(ValueError, match=f"ImageReward{suffix} (holds|is|unpacks)") as refusal:
        inspect_reward_file(path)
    assert "\n" not in str(refusal.value) and not sprung.exists()


@pytest.mark.parametrize("name", ["archive/data.pkl", "archive/data/0", "archive/constants"])
def test_an_archive_that_unpacks_to_far_more_is_not_unpacked(tmp_path, name):
    path = tmp_path / "weights.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/version", "3")
        archive.writestr(name, bytes(32 * 2**20))
    with pytest.raises(ValueError, match=r"weights.pth unpacks to 33.6 MB from 0.0 MB"):
        open_checkpoint(path)


def test_an_archive_that_is_compressed_is_named_as_such(tmp_path):
    """Mapped from the file, compressed bytes would be taken for weights."""
    torch.save({"a": torch.ones(1000)}, tmp_path / "stored.pt")
    with (
        zipfile.ZipFile(tmp_path / "stored.pt") as stored,
        zipfile.ZipFile(tmp_path / "weights.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for entry in stored.namelist():
            packed.writestr(entry, stored.read(entry))
    with pytest.raises(ValueError, match="weights.pt unpacks to .* use the file as it was published"):
        open_checkpoint(tmp_path / "weights.pt")


@pytest.mark.parametrize("write", [zipped, legacy])
@pytest.mark.parametrize(
    "tensor",
    [
        torch.ones(1).expand(10**6, 10**6),
        torch.empty(10**6, 10**6, device="meta"),
        torch.sparse_coo_tensor([[0], [0]], [1.0], (10**6, 10**6)),
    ],
    ids=["repeated", "without data", "sparse"],
)
def test_a_tensor_that_claims_more_than_the_file_holds_is_refused(tmp_path, write, tensor):
    write({"a": torch.ones(2), "layers.0.weight": tensor}, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=r"weights.pt .* layers.0.weight, .*\(1000000, 1000000\)"):
        open_checkpoint(tmp_path / "weights.pt")


def test_tensors_that_share_their_values_are_read(tmp_path):
    tied = torch.arange(6.0)
    torch.save({"a": tied, "b": tied.view(2, 3), "c": tied[2:]}, tmp_path / "weights.pt")
    checkpoint = open_checkpoint(tmp_path / "weights.pt")
    assert torch.equal(checkpoint.tensor("b").flatten(), tied) and torch.equal(checkpoint.tensor("c"), tied[2:])


@pytest.mark.parametrize("name", [1, None, (1, 2)])
@pytest.mark.parametrize("nested", [False, True])
def test_names_that_are_no_text_are_refused(tmp_path, name, nested):
    contents = {"a": torch.ones(2), name: torch.ones(2)}
    torch.save({"state_dict": contents} if nested else contents, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="weights.pt is not a table of named tensors"):
        open_checkpoint(tmp_path / "weights.pt")


@pytest.mark.parametrize("place", [-30, -60, -200], ids=lambda place: f"byte {place}")
@pytest.mark.parametrize("write", [zipped, legacy])
def test_a_damaged_end_is_one_line(tmp_path, write, place):
    path = tmp_path / "weights.pt"
    write({"a": torch.ones(2)}, path)
    contents = bytearray(path.read_bytes())
    contents[place : place + 8] = b"\xff" * 8
    path.write_bytes(contents)
    try:
        open_checkpoint(path)
    except ValueError as refusal:
        assert "weights.pt" in str(refusal) and "\n" not in str(refusal)
