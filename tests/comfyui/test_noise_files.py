"""Noises kept as files: what a file holds, what is refused, which names are listed."""

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def saved_noise(pack):
    from gper_pack.runs import noise_format

    return noise_format


@pytest.fixture(scope="module")
def history(pack):
    from gper_pack.runs.noise_history import NoiseHistory

    return NoiseHistory(
        model="Flux",
        reward="beauty + 0.5 crispness",
        reward_prompt='a "fox" – with ünïcode\nand a line',
        scores={"beauty + 0.5 crispness": [1.25, None], "beauty": [1.0, 2.0]},
        best_steps=[3, 0],
        steps=4,
        method="WhiteGaussianProjector",
        step_size=0.02,
        stop_reason="all 4 steps done",
        variation="distance 0.3, seed 5",
    )


@pytest.fixture
def folders(host):
    """The folders of noises, empty before and after."""
    places = [host / "output" / "noises", host / "input"]
    places[0].mkdir(parents=True, exist_ok=True)
    yield places
    for file in (file for place in places for file in place.rglob("*.safetensors")):
        file.unlink()


def noise(shape=(2, 16, 8, 8), dtype=torch.float32, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_what_is_written_is_read(saved_noise, history, tmp_path, dtype):
    tensor = noise(dtype=dtype)
    path = str(tmp_path / "a.safetensors")
    saved_noise.write_noise(path, tensor, 2**64 - 1, history, {"workflow": "{}"})
    read = saved_noise.read_noise(path)
    assert torch.equal(read.noise, tensor) and read.noise.dtype == dtype
    assert read.seed == 2**64 - 1 and read.history == history


def test_the_header_is_json_that_anybody_can_read(saved_noise, history, tmp_path):
    path = str(tmp_path / "a.safetensors")
    saved_noise.write_noise(path, noise(), 7, history, {"prompt": '{"1": {}}'})
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
    assert json.loads(header["shape"]) == [2, 16, 8, 8] and json.loads(header["seed"]) == 7
    assert json.loads(header["scores"]) == {"beauty + 0.5 crispness": [1.25, None], "beauty": [1.0, 2.0]}
    assert json.loads(header["pack_version"]).count(".") == 2
    assert json.loads(header["prompt"]) == {"1": {}}
    assert {entry.name for entry in fields(history)} <= set(header)


def test_the_pack_version_is_that_of_the_project(pack):
    from gper_pack.runs.pack_version import PACK_VERSION

    project = ROOT / "pyproject.toml"
    assert f'\nversion = "{PACK_VERSION}"\n' in project.read_text(encoding="utf-8")


def damaged(saved_noise, history, path, **changes):
    """A file whose header, or tensor, was changed."""
    tensors = {"noise": changes.pop("tensor", noise())}
    saved_noise.write_noise(path, noise(), 7, history, {})
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
def test_foreign_and_damaged_files_are_refused(saved_noise, history, tmp_path, changes, message):
    path = str(tmp_path / "a.safetensors")
    damaged(saved_noise, history, path, **changes)
    with pytest.raises(ValueError, match=message) as error:
        saved_noise.read_noise(path)
    assert "a.safetensors" in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 400


@pytest.mark.parametrize("keep", [0, 4, 100, 5000])
def test_a_half_copied_file_is_refused(saved_noise, history, tmp_path, keep):
    path = tmp_path / "a.safetensors"
    saved_noise.write_noise(str(path), noise(), 7, history, {})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="a.safetensors is damaged or only half copied"):
        saved_noise.read_noise(str(path))


@pytest.fixture(scope="module")
def save(node_classes):
    return node_classes["GPER_SaveNoise"].PREPARE_CLASS_CLONE(None).execute


@pytest.fixture(scope="module")
def load(node_classes):
    return node_classes["GPER_LoadNoise"].execute


@pytest.fixture(scope="module")
def optimized(pack, history):
    from gper_pack.nodes.noises.optimized_noise import OptimizedNoise

    return OptimizedNoise(7, noise(), history)


def test_saved_noise_is_listed_and_comes_back(folders, node_classes, save, load, optimized, history):
    names = [save(optimized, prefix)[0] for prefix in ("noise", "noise", "portraits/fox")]
    assert names == ["noise_00001_.safetensors", "noise_00002_.safetensors", "portraits/fox_00001_.safetensors"]
    assert node_classes["GPER_LoadNoise"].define_schema().inputs[0].options == names
    for name in names:
        back, latent, about = load(name).args
        assert torch.equal(back.generate_noise(latent), optimized.noise)
        assert back.seed == 7 and back.history == history
    for part in ("seed 7", "2 x 16 x 8 x 8", "Flux", "1.2500, not finite", "all 4 steps done", "ünïcode", "distance"):
        assert part in about


def test_the_batch_index_is_kept_with_the_noise(folders, save, load, optimized, history):
    from gper_pack.nodes.noises.optimized_noise import OptimizedNoise

    back, latent, _ = load(save(OptimizedNoise(7, noise(), history, batch_index=[5, 3]), "noise")[0]).args
    assert back.batch_index == latent["batch_index"] == [5, 3]
    assert torch.equal(back.generate_noise({**latent, "batch_index": [3, 5]}), noise().flip(0))
    old, latent, _ = load(save(optimized, "noise")[0]).args  # as files from before it was kept
    assert old.batch_index is None and "batch_index" not in latent
    assert torch.equal(old.generate_noise({**latent, "batch_index": [1, 0]}), noise().flip(0))


def test_noise_that_is_not_finite_is_not_saved(folders, save, history):
    from gper_pack.nodes.noises.optimized_noise import OptimizedNoise

    bad = noise()
    bad[1, 3, 4, 5] = torch.nan
    with pytest.raises(ValueError, match="not finite in picture 2"):
        save(OptimizedNoise(7, bad, history), "noise")
    assert list(folders[0].rglob("*.safetensors")) == []


class OtherNoise:
    """Of another pack: gives what it likes."""

    seed = 3

    def __init__(self, given):
        self.given = given

    def generate_noise(self, latent):
        return self.given


@pytest.mark.parametrize("given", [torch.zeros(1, 4, 8, 9), torch.zeros(4, 8, 8), torch.zeros(1, 4, 8, 8).long(), None])
def test_noise_of_a_wrong_shape_is_named(folders, node_classes, save, given):
    """Where it enters: in each node that draws from it."""
    wrong, latent = OtherNoise(given), {"samples": torch.zeros(1, 4, 8, 8)}
    for use in (
        lambda: save(wrong, "noise", latent),
        lambda: node_classes["GPER_NoiseVariations"].execute(wrong, latent),
        lambda: node_classes["GPER_NoiseStatistics"].execute(latent, wrong),
    ):
        with pytest.raises(ValueError, match=r"noise gave .* for a latent of shape \(1, 4, 8, 8\)"):
            use()


def test_another_size_gets_the_usual_error(folders, save, load, optimized):
    back = load(save(optimized, "noise")[0])[0]
    with pytest.raises(ValueError, match="optimized for a latent of shape .* Use the same width, height"):
        back.generate_noise({"samples": torch.zeros(1, 16, 8, 8)})


def test_noise_without_a_size_needs_its_latent(folders, save, load):
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise

    random, latent = Noise_RandomNoise(3), {"samples": torch.zeros(1, 4, 8, 8)}
    with pytest.raises(ValueError, match="connect the latent"):
        save(random, "noise")
    back, _, about = load(save(random, "noise", latent)[0]).args
    assert torch.equal(back.generate_noise(latent), random.generate_noise(latent))
    assert "seed 3" in about and "optimized" not in about


def test_a_noise_from_a_friend_in_the_input_folder(folders, save, load, optimized):
    output, given = folders
    name = save(optimized, "noise")[0]
    (given / name).write_bytes((output / name).read_bytes())
    assert torch.equal(load(name)[0].noise, optimized.noise)  # the same file twice is no question
    (given / name).write_bytes((output / name).read_bytes()[:-1] + b"\0")
    with pytest.raises(ValueError, match="Two different noises .* rename one"):
        load(name)
    (output / name).unlink()
    assert load(name)[0].seed == 7


def test_a_changed_file_is_noticed(folders, node_classes, save, optimized, pack):
    from gper_pack.nodes.noises.optimized_noise import OptimizedNoise

    fingerprint = node_classes["GPER_LoadNoise"].fingerprint_inputs
    name = save(optimized, "noise")[0]
    before = fingerprint(name)
    assert fingerprint(name) == before
    (folders[0] / name).unlink()
    assert save(OptimizedNoise(7, noise(seed=1)), "noise")[0] == name
    assert fingerprint(name) != before


@pytest.mark.parametrize(
    "name",
    [
        "../../secret.safetensors",
        "../secret.safetensors",
        "a/../../../secret.safetensors",
        "/etc/passwd",
        "missing.safetensors",
        "",
        ".",
        "nul\0.safetensors",
        "\ud800.safetensors",
        "n" * 5000,
    ],
)
def test_only_listed_folders_are_read(folders, load, saved_noise, history, host, name):
    saved_noise.write_noise(str(host / "secret.safetensors"), noise(), 7, history, {})
    with pytest.raises(FileNotFoundError, match="put it there, or choose another") as error:
        load(name)
    assert "\n" not in str(error.value) and "\0" not in str(error.value) and len(str(error.value)) < 600


BAD_PREFIXES = {
    "a\0b": "holds the character",
    "a\nb": "holds the character",
    "\ud800": "holds the character",
    "n" * 300: "is too long",
    "ü" * 130: "is too long",
    "d" * 300 + "/n": "is too long",
    "d/" * 3000 + "n": "is too long",
    "../../noise": "outside the output folder",
    "../noise": "outside the output folder",
    "a/../../../noise": "outside the output folder",
    "/etc/noise": "outside the output folder",
    "/": "outside the output folder",
    "link/noise": "outside the output folder",
    "taken/noise": "that is a file",
    "taken/deeper/noise": "that is a file",
}


@pytest.mark.parametrize("prefix", BAD_PREFIXES, ids=lambda prefix: ascii(prefix[:12]))
def test_a_name_that_cannot_be_is_known_before_the_run(folders, node_classes, save, optimized, tmp_path, prefix):
    (folders[0] / "taken").write_bytes(b"")
    (folders[0] / "link").symlink_to(tmp_path)
    before = sorted(folders[0].rglob("*"))
    try:
        said = node_classes["GPER_SaveNoise"].validate_inputs(filename_prefix=prefix)
        assert isinstance(said, str) and BAD_PREFIXES[prefix] in said and "\n" not in said and len(said) < 400
        with pytest.raises(ValueError, match=BAD_PREFIXES[prefix]):  # also when the name comes over a wire
            save(optimized, prefix)
        assert sorted(folders[0].rglob("*")) == before and list(tmp_path.iterdir()) == []
    finally:
        (folders[0] / "taken").unlink()
        (folders[0] / "link").unlink()


@pytest.mark.parametrize(
    "prefix", ["noise", "a/b/c", "a/../b", "n" * 236, "ünïcode", "%year%/x", "a:1", "a b", ".hidden", "", "a//b/"]
)
def test_names_that_can_be_are_written(folders, node_classes, save, optimized, prefix):
    assert node_classes["GPER_SaveNoise"].validate_inputs(filename_prefix=prefix) is True
    written = folders[0] / save(optimized, prefix)[0]
    assert written.is_file() and not list(folders[0].rglob("*.partial"))


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


def test_a_full_disk_leaves_the_old_file(saved_noise, history, tmp_path):
    """Where a file system of one's own can be mounted, a really full one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        path = disk / "a.safetensors"
        saved_noise.write_noise(str(path), noise(), 7, history, {})
        old = path.read_bytes()
        with pytest.raises(OSError, match=r"could not be written to .* \(.*\): make room") as error:
            saved_noise.write_noise(str(path), noise((2, 16, 64, 64)), 7, history, {})
        assert "\n" not in str(error.value)
        assert path.read_bytes() == old and list(disk.iterdir()) == [path]
    finally:
        subprocess.run(["umount", disk], check=True)


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


def test_an_empty_list_says_what_to_do(folders, node_classes, load):
    options = node_classes["GPER_LoadNoise"].define_schema().inputs[0].options
    assert len(options) == 1
    with pytest.raises(ValueError, match="no noise yet: save one"):
        load(options[0])


def test_extra_model_paths_are_searched_too(folders, node_classes, load, saved_noise, history, tmp_path):
    import folder_paths

    saved_noise.write_noise(str(tmp_path / "shared.safetensors"), noise(), 7, history, {})
    folder_paths.add_model_folder_path("noises", str(tmp_path))
    try:
        assert "shared.safetensors" in node_classes["GPER_LoadNoise"].define_schema().inputs[0].options
        assert load("shared.safetensors")[0].seed == 7
    finally:
        folder_paths.folder_names_and_paths["noises"][0].remove(str(tmp_path))


def test_history_of_an_ascent(pack):
    from gper_pack.optimization import RunRecord
    from gper_pack.runs.noise_history import NoiseHistory
    from gper_pack.runs.run_result import RunResult

    record = RunRecord.start(noise())
    for rewards in ([1.0, torch.nan], [3.0, torch.nan], [2.0, torch.nan]):
        record.add(noise(), torch.tensor(rewards))
    record.stop_reason = "all 2 steps done"
    parts = {"beauty": [torch.tensor([0.0, 10.0]), torch.tensor([1.0, 11.0]), torch.tensor([2.0, 12.0])]}
    history = NoiseHistory.of_run(
        RunResult(record, "mix", (0, 1), noise(), parts=parts), model="Flux", method="GPER", step_size=0.1
    )
    assert history.scores == {"mix": [3.0, None], "beauty": [1.0, 10.0]}
    assert history.best_steps == [1, 0] and history.steps == 2 and history.stop_reason == "all 2 steps done"
    assert json.loads(history.header()["scores"]) == history.scores
