"""The comparison of a TAESD with the full VAE, as a user runs it, with small random files."""

import json

import pytest
import torch
from PIL import Image

from benchmarks import tiny_decoder

pytestmark = pytest.mark.usefixtures("newer_host")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    generator = torch.Generator().manual_seed(0)
    for index in range(3):
        pixels = torch.nn.functional.interpolate(torch.rand(1, 3, 4, 6, generator=generator), (64, 96), mode="bicubic")
        array = (pixels[0].clamp(0, 1) * 255).byte().movedim(0, -1).numpy()
        Image.fromarray(array).save(folder / f"{index}.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def vaes(host, pack):
    """A full VAE and a TAESD among ComfyUI's files."""
    from gper_pack.nodes.rewards.reward_files import register_folder

    from . import tiny_models

    register_folder()
    folder = host / "models" / "vae"
    folder.mkdir(parents=True, exist_ok=True)
    for make in (tiny_models.published_kl, tiny_models.taesd):
        make(folder)
    yield
    for name in ("kl", "taesd"):
        (folder / f"{name}.safetensors").unlink()


def run(pictures, taesd, reward, *more):
    arguments = ["--vae", "kl.safetensors", "--taesd", taesd, "--rewards", reward, "--pictures", str(pictures)]
    return tiny_decoder.main([*arguments, "--side", "32", *map(str, more)])


def test_rewards_of_both_decoders(vaes, pictures, tmp_path, capsys):
    out = tmp_path / "numbers.json"
    assert run(pictures, "taesd.safetensors", "contrast", "--json", out) == 0
    found = json.loads(out.read_text())
    assert found["pictures"] == 3 and min(found["seconds"].values()) > 0
    text = capsys.readouterr().out
    assert "| contrast |" in text and "times as fast" in text
    row = found["rewards"]["contrast"]
    full, tiny = row["scores"]["full"], row["scores"]["taesd"]
    assert row["mean_difference"] == pytest.approx(sum(tiny) / 3 - sum(full) / 3)
    assert -0.9 < row["gradient_cosine"] < 0.9  # two random decoders have nothing in common


def test_a_decoder_is_as_good_as_itself(vaes, pictures, tmp_path):
    out = tmp_path / "numbers.json"
    assert run(pictures, "kl.safetensors", "sharpness", "--json", out) == 0
    row = json.loads(out.read_text())["rewards"]["sharpness"]
    assert row["mean_difference"] == 0 == row["spread_of_difference"] < row["spread_of_scores"]
    assert row["gradient_cosine"] == pytest.approx(1) and row["rank_correlation"] == pytest.approx(1)


@pytest.mark.parametrize(
    "taesd, reward, message",
    [("taef1", "brightness", "no VAE 'taef1'"), ("taesd.safetensors", "missing.pt", "no 'missing.pt'")],
)
def test_what_is_missing_is_named(vaes, pictures, capsys, taesd, reward, message):
    assert run(pictures, taesd, reward) == 2
    assert message in capsys.readouterr().err


def test_a_folder_without_pictures(vaes, tmp_path, capsys):
    assert run(tmp_path, "taesd.safetensors", "brightness") == 2
    assert "at least two" in capsys.readouterr().err
