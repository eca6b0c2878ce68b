"""Which files the Reward Model Loader offers, and what it says when there is none."""

import pytest


@pytest.fixture
def files(node_classes):
    from gper_pack.nodes import reward_files

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
    with pytest.raises(FileNotFoundError, match="gone.pth"):
        files.reward_path("gone.pth")
