"""The map in CONTRIBUTING.md: made from the imports, and current."""

import pytest

from tools.draw_map import PAGE, draw, page_with, read_folders


@pytest.fixture
def pack(tmp_path):
    """Two folders, one within the other, and a third that does not ship."""
    files = {
        ".comfyignore": "/tests/\n",
        "maths/__init__.py": '"""Sums."""\n',
        "maths/add.py": "import json\nimport torch.nn\nfrom . import subtract\nfrom .subtract import less\n",
        "maths/subtract.py": "",
        "nodes/__init__.py": '"""Nodes.\n\nMore about them.\n"""\nfrom .inner import wires\n',
        "nodes/inner/__init__.py": '"""Inner parts, see `maths`."""\n',
        "nodes/inner/wires.py": "from comfy.sd import VAE\nfrom ...maths.add import plus\nfrom ...maths import add\n",
        "tests/test_a.py": "import pytest\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_folders_are_read_from_the_imports(pack):
    folders = read_folders(pack)
    assert list(folders) == ["maths", "nodes", "nodes/inner"]
    assert [folder.purpose for folder in folders.values()] == ["Sums.", "Nodes.", "Inner parts, see `maths`."]
    assert [folder.folders for folder in folders.values()] == [set(), {"nodes/inner"}, {"maths"}]
    assert [folder.libraries for folder in folders.values()] == [{"torch"}, set(), {"comfy"}]


def test_the_picture_has_the_top_folders_and_the_table_all(pack):
    drawing = draw(read_folders(pack))
    assert "flowchart LR\n    nodes --> maths\n```" in drawing
    assert "| `nodes/inner/` | Inner parts, see `maths`. | `maths` | comfy |" in drawing


def test_a_folder_that_says_nothing_is_named(pack):
    (pack / "nodes" / "inner" / "__init__.py").write_text("")
    with pytest.raises(ValueError, match="nodes/inner/__init__.py says nothing"):
        read_folders(pack)


def test_the_map_is_current():
    page = PAGE.read_text(encoding="utf-8")
    assert page_with(draw(read_folders()), page) == page, "run: python -m tools.draw_map"
