"""Promises of the project as a whole: one version, a lean archive, imports that point one way."""

import ast
import json
import re
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.memory_tables import card_table, estimate_table
from reward_models import KINDS
from tools.archive import build_archive, shipped_files

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it on 3.10

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SHIPPED_PYTHON = [path for path in shipped_files() if path.suffix == ".py"]
SHIPPED_TEXTS = [
    path for path in shipped_files() if path.suffix in {".py", ".js", ".css", ".json", ".md", ".toml", ".txt"}
]
PACKAGES = {path.parts[0] for path in SHIPPED_PYTHON if len(path.parts) > 1}
HOST_MODULES = {
    "comfy",
    "comfy_api",
    "comfy_execution",
    "comfy_extras",
    "execution",
    "folder_paths",
    "server",
}
# What the registry's scanner reports: a reported version stays hidden from users.
SUSPECT_MODULES = {"base64", "ctypes", "http", "marshal", "pickle", "requests", "socket", "subprocess", "urllib"}
SUSPECT_CALLS = {"__import__", "compile", "eval", "exec", "os.popen", "os.system"}
SUSPECT_ARGUMENTS = {"shell=True", "trust_remote_code=True", "weights_only=False"}


def requirements(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith(("#", "-r"))]


def syntax(path):
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), str(path))


def absolute_imports(tree):
    """Yield the top-level name of every absolute import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]


def test_version_is_the_newest_of_the_changelog():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (\S+)", changelog, re.MULTILINE)
    assert re.fullmatch(r"\d+\.\d+\.\d+", PROJECT["project"]["version"])
    assert versions[0] == PROJECT["project"]["version"]


def test_registry_metadata():
    assert "comfyui" not in PROJECT["project"]["name"].lower()
    assert {"Repository", "Documentation", "Bug Tracker"} <= set(PROJECT["project"]["urls"])
    assert PROJECT["tool"]["comfy"]["PublisherId"]
    assert "web" not in PROJECT["tool"]["comfy"], "WEB_DIRECTORY says it; twice runs the scripts twice"
    assert (ROOT / "LICENSE").is_file()


def test_the_icon_is_as_the_registry_wants_it():
    repository = PROJECT["project"]["urls"]["Repository"].replace("github.com", "raw.githubusercontent.com")
    icon = PROJECT["tool"]["comfy"]["Icon"]
    assert icon.startswith(f"{repository}/main/")
    with Image.open(ROOT / icon.removeprefix(f"{repository}/main/")) as picture:
        assert picture.size[0] == picture.size[1] <= 400


def test_requirements_are_the_declared_dependencies():
    assert requirements("requirements.txt") == PROJECT["project"]["dependencies"]


@pytest.mark.parametrize("name", ["torch", "torchvision", "torchaudio", "numpy", "xformers"])
def test_requirements_never_replace_what_the_host_brings(name):
    names = [re.match(r"[\w.-]+", line).group().lower() for line in requirements("requirements.txt")]
    assert name not in names


def test_requirements_are_loose():
    assert [line for line in requirements("requirements.txt") if "==" in line or "@" in line] == []


def test_memory_tables_are_those_of_the_numbers():
    estimates = json.loads((ROOT / "docs" / "memory_estimate.json").read_text(encoding="utf-8"))["gib"]
    cards = json.loads((ROOT / "docs" / "cards.json").read_text(encoding="utf-8"))
    memory, page = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("memory.md", "performance.md"))
    assert estimate_table(estimates) in memory and estimate_table(estimates) in page
    assert card_table(cards) in page
    assert card_table([row for row in cards if row["weights"] == "fp8"]) in memory


@pytest.mark.parametrize("page", ["docs/rewards.md", "web/docs/GPER_RewardModelLoader.md"])
def test_every_reward_is_documented(page):
    rows = re.findall(r"^\| ([^|]+) \|", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    documented = {name.removesuffix(" v1") for row in rows for name in row.split(", ")}
    assert set(KINDS) - documented == set()


def test_workflows_is_the_only_folder_where_comfyui_looks_for_templates():
    """It serves the files of the first that it finds, and no others: beside examples/ no template would open."""
    folders = ("example_workflows", "example", "examples", "workflow", "workflows")
    assert [name for name in folders if (ROOT / name).exists()] == ["workflows"]


def test_the_readme_is_short_and_the_gate_runs_its_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 150
    commands = re.findall(r"^python (.+)$", readme, re.MULTILINE)
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert commands and [command for command in commands if f"python3 {command}" not in gate] == []


def test_development_files_do_not_ship():
    tops = {path.parts[0] for path in shipped_files()}
    unwanted = {
        "tests",
        "tools",
        "benchmarks",
        "demo",
        "without_comfyui",
        "run.py",
        "requirements-dev.txt",
        "requirements-batch.txt",
        "batch",
        ".ci",
        ".git",
    }
    assert tops & unwanted == set()
    assert {
        "__init__.py",
        "pyproject.toml",
        "requirements.txt",
        "LICENSE",
        "preconditioning",
        "optimization",
        "differentiation",
        "nodes",
    } <= tops


@pytest.mark.parametrize("path", [path for path in SHIPPED_TEXTS if path.suffix == ".md"], ids=str)
def test_links_of_a_shipped_page_lead_to_shipped_files(path):
    links = re.findall(r"\]\((?!https?:|#)([^)\s#]+)", (ROOT / path).read_text(encoding="utf-8"))
    shipped = {(ROOT / file).resolve() for file in shipped_files()}
    assert [link for link in links if (ROOT / path.parent / link).resolve() not in shipped] == []


def test_archive_is_all_but_what_comfyignore_names(tmp_path):
    (tmp_path / ".comfyignore").write_text("# comment\n/tests/\n/run.py\n")
    for name in (
        "run.py",
        "tests/test_a.py",
        "nodes/tests/kept.py",
        "nodes/__pycache__/a.pyc",
        ".git/config",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert shipped_files(tmp_path) == [Path(".comfyignore"), Path("nodes/tests/kept.py")]
    build_archive(tmp_path / "run.py", tmp_path)  # a name that does not ship
    with zipfile.ZipFile(tmp_path / "run.py") as archive:
        assert archive.namelist() == [".comfyignore", "nodes/tests/kept.py"]
        assert archive.read("nodes/tests/kept.py") == b"nodes/tests/kept.py"
    (tmp_path / ".comfyignore").write_text("docs/\n")
    with pytest.raises(ValueError, match="top-level"):
        shipped_files(tmp_path)


@pytest.mark.parametrize("path", SHIPPED_PYTHON, ids=str)
def test_nothing_in_a_shipped_file_alarms_the_registry(path):
    tree = syntax(path)
    suspects = SUSPECT_MODULES.intersection(absolute_imports(tree))
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        suspects |= SUSPECT_CALLS & {ast.unparse(call.func)}
        suspects |= SUSPECT_ARGUMENTS & {ast.unparse(keyword) for keyword in call.keywords}
    assert suspects == set()


def test_nothing_ships_but_texts_pictures_and_safetensors():
    kinds = {path.suffix for path in shipped_files()}
    assert kinds - {path.suffix for path in SHIPPED_TEXTS} <= {"", ".jpg", ".png", ".safetensors"}
    assert {path.name for path in shipped_files() if not path.suffix} == {"LICENSE"}


@pytest.mark.parametrize("path", SHIPPED_TEXTS, ids=str)
def test_no_shipped_text_alarms_the_registry(path):
    """An encoded blob, a script made from a string, or an address that a script of the page could reach."""
    text = (ROOT / path).read_text(encoding="utf-8")
    assert re.findall(r"[A-Za-z0-9+/=]{120,}", text) == []
    if path.suffix == ".js":
        assert re.findall(r"\beval\b|new Function|\batob\b|document\.write|innerHTML|import\(", text) == []
        assert set(re.findall(r"https?://[\w.]+", text)) <= {"http://www.w3.org"}  # the name of SVG


@pytest.mark.parametrize("path", SHIPPED_PYTHON, ids=str)
def test_imports_point_one_way(path):
    """In the host the pack is a package of unknown name, so its folders cannot name each other."""
    imported = set(absolute_imports(syntax(path)))
    assert imported & PACKAGES == set(), "import it relatively"
    if path.parts[0] != "nodes":
        assert imported & HOST_MODULES == set(), "only nodes/ may import the host"
