"""What the file names of a workflow cannot do: reach outside the pack's folders, or take an older file's place."""

import os
import time
from pathlib import Path

import pytest
import torch

from tests.reward_models import small_checkpoints as small

from .hostile_names import OUTSIDE, STRANGE

HELD = ("\0", "x\0", "x\0.safetensors", "x\n", "x\r\n", "\t", "\x1b[2J", "\ud800", "a/\udfff/x")
TOO_LONG = ("x" * 300, "\u00fc" * 130, "x" * 300 + "/x", "x/" * 3000 + "x", "../" * 3000 + "x" * 300)
TAKEN = ("taken/x", "taken/deeper/x", "pipe/x", "%month%/x")


@pytest.fixture
def noises(host, tmp_path):
    """The folder of noises; in it links that leave it, and a file and a pipe where folders could be."""
    folder = host / "output" / "noises"
    folder.mkdir(parents=True, exist_ok=True)
    assert not list(folder.iterdir())
    for name in ("link", time.strftime("%Y"), "0"):
        (folder / name).symlink_to(tmp_path)
    for name in ("taken", time.strftime("%m")):
        (folder / name).write_bytes(b"")
    os.mkfifo(folder / "pipe")
    yield folder
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def everything(*folders):
    return sorted(path for folder in folders for path in Path(folder).rglob("*"))


@pytest.fixture
def save(node_classes, pack):
    from gper_pack.nodes.noises.optimized_noise import OptimizedNoise

    node = node_classes["GPER_SaveNoise"].PREPARE_CLASS_CLONE(None)
    return lambda prefix, seed=7: node.execute(OptimizedNoise(seed, torch.zeros(1, 4, 8, 8)), prefix)[0]


REFUSED = (
    [(name, "leads outside the output folder") for name in OUTSIDE]
    + [(name, "holds the character") for name in HELD]
    + [(name, "too long|leads outside") for name in TOO_LONG]
    + [(name, "but that is a file") for name in TAKEN]
)


@pytest.mark.parametrize("prefix, message", REFUSED, ids=lambda value: ascii(value[:20]))
def test_save_noise_refuses_it_before_the_run_and_in_it(host, noises, node_classes, save, tmp_path, prefix, message):
    before = everything(host, tmp_path)
    said = node_classes["GPER_SaveNoise"].validate_inputs(filename_prefix=prefix)
    with pytest.raises(ValueError, match=message) as error:
        save(prefix)
    assert said == str(error.value) and said.isprintable() and len(said) < 400
    assert everything(host, tmp_path) == before


@pytest.mark.parametrize("prefix", STRANGE, ids=ascii)
def test_save_noise_writes_a_new_file_inside(host, noises, node_classes, save, tmp_path, prefix):
    """Twice: the second noise takes no other file's place."""
    before, written = everything(host, tmp_path), []
    assert node_classes["GPER_SaveNoise"].validate_inputs(filename_prefix=prefix) is True
    for seed in (1, 2):
        written.append(noises / save(prefix, seed))
        assert node_classes["GPER_LoadNoise"].execute(str(written[-1].relative_to(noises)))[0].seed == seed
    added = [path for path in everything(host, tmp_path) if path not in before and path.is_file()]
    assert added == sorted(written) and len(set(written)) == 2
    assert all(path.resolve().is_relative_to(noises.resolve()) for path in written)


def test_links_of_the_user_s_own_inside_the_folder_are_followed(noises, save):
    (noises / "real").mkdir()
    (noises / "alias").symlink_to(noises / "real")
    assert (noises / save("alias/x")).resolve() == (noises / "real" / "x_00001_.safetensors").resolve()


def test_the_folder_itself_may_be_a_link(host, node_classes, save, tmp_path):
    folder = host / "output" / "noises"
    if folder.exists():
        folder.rmdir()
    folder.symlink_to(tmp_path)
    try:
        assert node_classes["GPER_SaveNoise"].validate_inputs(filename_prefix="a/x") is True
        assert (tmp_path / save("a/x")).is_file()
        assert "leads outside" in node_classes["GPER_SaveNoise"].validate_inputs(filename_prefix="../x")
    finally:
        folder.unlink()


def test_a_link_where_the_next_file_would_be_is_not_written_through(noises, save, tmp_path):
    """Neither to the file that it names nor to one that is not there yet."""
    (tmp_path / "old").write_bytes(b"old")
    (noises / "x_00001_.safetensors").symlink_to(tmp_path / "old")
    (noises / "x_00002_.safetensors").symlink_to(tmp_path / "none")
    (noises / "x_00003_.safetensors").mkdir()
    assert save("x") == "x_00004_.safetensors"
    assert (tmp_path / "old").read_bytes() == b"old" and not (tmp_path / "none").exists()


# A link in a folder is the user's own, and what it names is listed and read.
READ = [name for name in (*OUTSIDE, *STRANGE, *HELD, *TOO_LONG) if "link/secret" not in name]
NO_FILES = ("missing", "folder", "pipe", "zero", "nowhere")


@pytest.fixture
def secrets(host, pack, noises, tmp_path, monkeypatch):
    """A good noise and a good reward, each where the names lead to; beside the good ones, what no file is read from."""
    from gper_pack.runs.noise_format import write_noise
    from gper_pack.runs.noise_history import UNKNOWN

    rewards = host / "models" / "reward_models"
    made = [host / "output" / "secret", host / "secret", tmp_path / "secret", host / "models" / "secret"]
    for path in made[:3]:
        write_noise(str(path), torch.zeros(1, 4, 8, 8), 7, UNKNOWN, {})
    small.laion_head(made[3], 24)
    for folder in (noises, rewards):
        made += [folder / name for name in ("a", "folder", "zero", "nowhere", "pipe")]
        (folder / "a").mkdir()
        (folder / "folder").mkdir()
        (folder / "zero").symlink_to("/dev/zero")
        (folder / "nowhere").symlink_to(tmp_path / "nowhere")
    os.mkfifo(rewards / "pipe")
    monkeypatch.chdir(tmp_path)
    for name in ("../secret", "../../secret", "a/../../secret", "/proc/self/cwd/secret", "./.././../secret"):
        assert (noises / name).is_file(), "this attack would find nothing"
    assert (rewards / "../secret").is_file() and (rewards / "../../secret").is_file()
    yield
    for path in made:
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


@pytest.mark.parametrize("name", [*READ, *NO_FILES, "ABSOLUTE"], ids=lambda name: ascii(name[:20]))
def test_nothing_else_is_read(secrets, node_classes, tmp_path, name):
    """By Load Noise, as a reward and as what lies below it; a pipe or a device would keep the run waiting for ever."""
    from gper_pack.nodes.rewards.reward_files import backbone_path

    name = str(tmp_path / "secret") if name == "ABSOLUTE" else name
    load, reward = node_classes["GPER_LoadNoise"], node_classes["GPER_RewardModelLoader"]
    encoder, picture = node_classes["GPER_ReferenceSimilarity"], torch.zeros(1, 32, 32, 3)
    words = node_classes["GPER_QualityWords"]
    for use, message in (
        (lambda: load.execute(name), "put it there, or choose another"),
        (lambda: load.fingerprint_inputs(name), "put it there, or choose another"),
        (lambda: reward.execute(name), "put the file back"),
        (lambda: reward.fingerprint_inputs(name, "auto", "none", "auto"), "put the file back"),
        (lambda: backbone_path(f"reward_models/{name}"), "put the file back"),
        (lambda: backbone_path(f"clip_vision/{name}"), "put the file back"),
        (lambda: backbone_path(f"../{name}"), "choose one from the list"),
        (lambda: encoder.execute(picture, f"reward_models/{name}"), "put the file back"),
        (lambda: encoder.execute(picture, name), "choose one from the list"),
        (lambda: words.execute(f"reward_models/{name}"), "put the file back"),
        (lambda: words.fingerprint_inputs(name, "", ""), "choose one from the list"),
    ):
        with pytest.raises((FileNotFoundError, ValueError), match=message) as error:
            use()
        assert str(error.value).isprintable() and len(str(error.value)) < 600


WINDOWS = {
    "C:\\secret": "':'",
    "C:/secret": "':'",
    "C:secret": "':'",
    "secret::$DATA": "':'",
    "\\\\?\\C:\\secret": "'?'",
    "\\\\.\\PhysicalDrive0": None,  # refused as a place outside the folder
    "a*b": "'*'",
    'a"b': "'\"'",
    "a|b": "'|'",
    "<a>": "'<'",
    "CON\\x": "'CON'",
    "nul/x": "'nul'",
    "a/Com1 .txt/x": "'Com1 .txt'",
    "aux.txt_00001_.safetensors": "stands for a device",
    "LPT\u00b9.x": "stands for a device",
    "a./x": "Windows drops",
    ".. /x": "Windows drops",
    "... /x": "Windows drops",
    "a/b ": "Windows drops",
    "CON_00001_.safetensors": None,
    "console/x": None,
    "a/../x": None,
    "./x": None,
    "s\u00e9 cr.et": None,
}


@pytest.mark.parametrize("path", WINDOWS, ids=ascii)
def test_what_windows_cannot_write(pack, path):
    from gper_pack.nodes.inputs.file_names import windows_problem

    said = windows_problem(path)
    assert said is None if WINDOWS[path] is None else WINDOWS[path] in said


def test_a_hostile_name_is_listed_once():
    names = [*OUTSIDE, *STRANGE, *HELD, *TOO_LONG, *TAKEN]
    assert len(names) == len(set(names)) >= 38
