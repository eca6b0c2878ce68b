"""Which files the Reward Model Loader offers, and what it says when there is none."""

import pytest

from tests.reward_models import small_checkpoints as small


@pytest.fixture
def files(node_classes):
    from gper_pack.nodes.rewards import reward_files

    return reward_files


def test_an_empty_folder_says_where_to_put_files(files, node_classes):
    assert files.reward_file_names() == [files.NO_FILE]
    loader = node_classes["GPER_RewardModelLoader"]
    with pytest.raises(ValueError, match="put one into .*reward_models"):
        loader.execute(files.NO_FILE)


def test_only_model_files_are_listed(files, host):
    folder = host / "models" / "reward_models"
    for name in ("a.safetensors", "b.pth", "notes.txt", "a.json", "vocab.txt"):
        (folder / name).write_bytes(b"x")
    try:
        assert files.reward_file_names() == ["a.safetensors", "b.pth"]
        assert files.backbone_names() == ["none", "reward_models/a.safetensors", "reward_models/b.pth"]
        assert files.backbone_path("none") is None
        assert files.backbone_path("reward_models/b.pth") == str(folder / "b.pth")
    finally:
        for file in folder.iterdir():
            file.unlink()


def test_heads_are_not_offered_as_encoders(node_classes, host):
    folder = host / "models" / "reward_models"
    small.laion_head(folder / "laion.pth", 24)
    small.aesthetic_v25_head(folder / "v25.safetensors")
    small.siglip(folder / "siglip.safetensors")
    small.open_clip_file(folder / "clip.pt")
    (folder / "half.pth").write_bytes((folder / "laion.pth").read_bytes()[:900])
    try:
        options = node_classes["GPER_ReferenceSimilarity"].define_schema().inputs[1].options
        assert options == [f"reward_models/{name}" for name in ("clip.pt", "half.pth", "siglip.safetensors")]
        backbones = node_classes["GPER_RewardModelLoader"].define_schema().inputs[2].options
        assert "reward_models/laion.pth" in backbones  # the two files of a reward may be given either way round
    finally:
        for file in folder.iterdir():
            file.unlink()


def test_extra_model_paths_are_used(files, host, tmp_path):
    import folder_paths

    (tmp_path / "c.pt").write_bytes(b"x")
    folder_paths.add_model_folder_path("reward_models", str(tmp_path))
    try:
        files.register_folder()
        assert "c.pt" in files.reward_file_names()
        assert files.reward_path("c.pt") == str(tmp_path / "c.pt")
    finally:
        folder_paths.folder_names_and_paths["reward_models"][0].remove(str(tmp_path))


@pytest.mark.parametrize("name", ["checkpoints/x.safetensors", "../x.pt", "/etc/passwd"])
def test_a_backbone_from_elsewhere_is_refused(files, name):
    with pytest.raises(ValueError, match="choose one from the list"):
        files.backbone_path(name)


def test_a_missing_file_is_named(files):
    with pytest.raises(ValueError, match="gone.pth is not in models/reward_models .* choose another"):
        files.reward_path("gone.pth")
    with pytest.raises(ValueError, match="gone.pth is not in models/clip_vision"):
        files.backbone_path("clip_vision/gone.pth")


def test_a_listed_link_that_leads_nowhere_is_named(files, host, tmp_path, node_classes):
    link = host / "models" / "reward_models" / "linked.pth"
    link.symlink_to(tmp_path / "moved_away.pth")
    try:
        assert files.reward_file_names() == ["linked.pth"]
        with pytest.raises(ValueError, match="linked.pth .* a link that leads nowhere"):
            node_classes["GPER_RewardModelLoader"].execute("linked.pth")
    finally:
        link.unlink()
