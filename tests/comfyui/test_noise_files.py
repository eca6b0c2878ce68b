"""Save Noise and Load Noise, called as ComfyUI calls them: which names are written, listed and read."""

import pytest
import torch


@pytest.fixture(scope="module")
def saved_noise(pack):
    from gper_pack.runs import noise_format

    return noise_format


@pytest.fixture(scope="module")
def history(pack):
    from tests.runs.noises import HISTORY

    return HISTORY


@pytest.fixture
def folders(host):
    """The folders of noises, empty before and after."""
    places = [host / "output" / "noises", host / "input"]
    places[0].mkdir(parents=True, exist_ok=True)

    def empty():
        for file in (file for place in places for file in place.rglob("*.safetensors")):
            file.unlink()

    empty()
    yield places
    empty()


def noise(shape=(2, 16, 8, 8), dtype=torch.float32, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


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
