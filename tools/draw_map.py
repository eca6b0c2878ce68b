"""Draw the map in CONTRIBUTING.md from the imports: what each folder is for, and what it uses.

    python -m tools.draw_map

What a folder is for is the first line of its `__init__.py`.
"""

import ast
import sys
from dataclasses import dataclass, field
from pathlib import Path

from .archive import ROOT, shipped_files

PAGE = ROOT / "CONTRIBUTING.md"
BEGIN, END = "<!-- map: made by python -m tools.draw_map -->\n", "<!-- end of map -->\n"


@dataclass
class Folder:
    """purpose: one sentence. folders, libraries: what its files import, without itself and the standard library."""

    purpose: str
    folders: set[str] = field(default_factory=set)
    libraries: set[str] = field(default_factory=set)


def read_folders(root: Path = ROOT) -> dict[str, Folder]:
    """The folders of shipped Python files, by their paths, sorted.

    Raises:
        ValueError: a folder has no `__init__.py` that says what it is for.
    """
    files = [path for path in shipped_files(root) if path.suffix == ".py" and len(path.parts) > 1]
    trees = {path: ast.parse((root / path).read_text(encoding="utf-8")) for path in files}
    folders = {}
    for parent in sorted({path.parent for path in files}):
        said = ast.get_docstring(trees.get(parent / "__init__.py", ast.Module([], [])))
        if not said:
            raise ValueError(f"{parent}/__init__.py says nothing: tell in its first line what the folder is for.")
        folders[parent.as_posix()] = Folder(said.splitlines()[0])
    for path, tree in trees.items():
        name = path.parent.as_posix()
        for module in imported(tree, path.parent.parts):
            inside = next((house for n in (2, 1) if (house := "/".join(module[:n])) in folders), None)
            if inside:
                folders[name].folders |= {inside} - {name}
            elif module[0] not in sys.stdlib_module_names:
                folders[name].libraries.add(module[0])
    return folders


def imported(tree: ast.AST, package: tuple[str, ...]) -> list[tuple[str, ...]]:
    """What a file of `package` imports, as dotted paths in parts; relative ones begin at the root of the pack."""
    modules = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules += [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else ()
            named = tuple(node.module.split(".")) if node.module else ()
            modules += [(*above, *named, alias.name) for alias in node.names]
    return modules


def draw(folders: dict[str, Folder]) -> str:
    """Markdown: a picture of the top folders with an arrow to each that they use, and a table of all folders."""
    tops = {(name.split("/")[0], used.split("/")[0]) for name, folder in folders.items() for used in folder.folders}
    arrows = [f"    {name} --> {used}" for name, used in sorted(tops) if name != used]
    alone = [f"    {name}" for name in folders if "/" not in name and not any(name in pair for pair in tops)]
    rows = [
        f"| `{name}/` | {folder.purpose} | {', '.join(f'`{used}`' for used in sorted(folder.folders))} "
        f"| {', '.join(sorted(folder.libraries))} |"
        for name, folder in folders.items()
    ]
    table = ["| folder | what it is | uses | from outside |", "|---|---|---|---|", *rows]
    return "\n".join(["```mermaid", "flowchart LR", *arrows, *alone, "```", "", *table, ""])


def page_with(drawing: str, page: str) -> str:
    """The page with this map in place of the one that it holds."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{drawing}\n{END}{rest.split(END)[1]}"


def main() -> None:
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(page_with(draw(read_folders()), page), encoding="utf-8")


if __name__ == "__main__":
    main()
