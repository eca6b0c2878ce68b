import os

import pytest

from tools.comfyui_installs import find_comfyui, merged_requirements, newest_comfyui, version_text


@pytest.fixture
def make_comfyui(tmp_path):
    def make(name, version=None, requirements=""):
        folder = tmp_path / name
        (folder / "comfy").mkdir(parents=True)
        (folder / "main.py").touch()
        (folder / "requirements.txt").write_text(requirements)
        if version:
            (folder / "comfyui_version.py").write_text(f'# generated\n__version__ = "{version}"\n')
        return folder

    return make


def test_versions_are_compared_as_numbers(make_comfyui, monkeypatch):
    installs = [make_comfyui("a", "0.33.0"), make_comfyui("b", "0.4.0"), make_comfyui("c", "0.14.1")]
    monkeypatch.setenv("COMFYUI_PATH", os.pathsep.join(map(str, installs)))
    assert [version_text(path) for path in find_comfyui()] == ["0.4.0", "0.14.1", "0.33.0"]
    assert newest_comfyui() == installs[0]


def test_a_comfyui_without_a_version_file_is_the_oldest(make_comfyui, monkeypatch):
    installs = [make_comfyui("a", "0.1.0"), make_comfyui("b")]
    monkeypatch.setenv("COMFYUI_PATH", os.pathsep.join(map(str, installs)))
    assert find_comfyui() == [installs[1], installs[0]]
    assert version_text(installs[1]) == "unknown"


def test_comfyui_in_the_home_folder_is_found(make_comfyui, monkeypatch, tmp_path):
    install = make_comfyui("ComfyUI", "0.33.0")
    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setattr("tools.comfyui_installs.ROOT", tmp_path / "elsewhere" / "custom_nodes" / "pack")
    assert find_comfyui() == [install]


def test_a_folder_that_is_no_comfyui_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    with pytest.raises(ValueError, match="no ComfyUI folder"):
        find_comfyui()


def test_newest_requirement_wins_and_torch_stays_out(make_comfyui):
    old = make_comfyui("old", "0.14.1", "frontend==1.39\ntorch\ntorchsde\nkitchen>=0.2 # fast\nold-only\n\n#torch\n")
    new = make_comfyui("new", "0.33.0", "frontend==1.49\ntorchvision\ntorchaudio>=2\nkitchen==0.2.31\nSQLAlchemy>=2\n")
    assert merged_requirements([old, new]) == [
        "frontend==1.49",
        "torchsde",
        "kitchen==0.2.31",
        "old-only",
        "SQLAlchemy>=2",
    ]
