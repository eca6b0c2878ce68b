"""The pack as ComfyUI sees it: registered, documented, served."""

import zipfile
from urllib.error import HTTPError

import pytest


def test_pack_is_imported_without_an_error(server):
    log = server.log()
    assert server.pack_folder in log, "the server did not try to load the pack"
    for complaint in ("Cannot import", "Error while calling comfy_entrypoint", "IMPORT FAILED"):
        if complaint in log:
            pytest.fail(f"the server says {complaint!r}:\n{log[: log.rindex(complaint) + 500]}", pytrace=False)


def test_every_node_is_registered(server, node_classes):
    assert node_classes
    registered = server.get("/object_info")
    assert sorted(node_classes) == sorted(set(node_classes) & set(registered))
    for node_id in node_classes:
        assert registered[node_id]["python_module"] == f"custom_nodes.{server.pack_folder}"


def test_every_node_is_documented(server, node_classes):
    undocumented = []
    for node_id in node_classes:
        try:
            page = server.fetch(f"/extensions/{server.pack_folder}/docs/{node_id}.md").decode()
        except HTTPError:
            page = ""
        if not page.startswith("#"):
            undocumented.append(node_id)
    assert undocumented == [], "write web/docs/<node id>.md, beginning with a heading"


def test_every_input_and_output_has_a_tooltip(server, node_classes):
    bare = []
    for node_id in node_classes:
        info = server.get(f"/object_info/{node_id}")[node_id]
        inputs = {**info["input"].get("required", {}), **info["input"].get("optional", {})}
        bare += [f"{node_id}: input {name}" for name, spec in inputs.items() if not spec[1].get("tooltip")]
        tooltips = info.get("output_tooltips") or [None] * len(info["output"])
        bare += [f"{node_id}: output {i}" for i, text in enumerate(tooltips) if not text]
        assert info["description"], f"{node_id} has no description"
    assert bare == []


def test_pack_has_one_entry_point(pack):
    assert not hasattr(pack, "NODE_CLASS_MAPPINGS"), "beside it the host ignores comfy_entrypoint"


def test_the_server_runs_the_archive_and_not_the_checkout(server):
    """Every test with a server is one of the archive: what is not shipped is not there."""
    folder = server.base / "custom_nodes" / server.pack_folder
    installed = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    installed = {path for path in installed if "__pycache__" not in path.parts}
    with zipfile.ZipFile(server.base / "pack.zip") as archive:
        assert sorted(path.as_posix() for path in installed) == sorted(archive.namelist())
    assert not {"tests", "tools", "benchmarks", "demo"} & {path.parts[0] for path in installed}
