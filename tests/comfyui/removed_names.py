"""A ComfyUI that lacks one name, made of the real one: what another version would do to the pack."""

import importlib
import sys
from types import FunctionType, ModuleType

from tools.pack import PACK_NAME, load_pack


def remove(monkeypatch, path: str, noted: str = "") -> None:
    """Take a name away, or let the code of `path` call its attribute or key `noted` something else."""
    owner, _, name = path.rpartition(".")
    if noted:
        for function in _functions(_found(path)):
            monkeypatch.setattr(function, "__code__", _renamed(function.__code__, noted))
    else:
        monkeypatch.delattr(_found(owner), name)


def remove_module(monkeypatch, name: str) -> None:
    parent, _, child = name.rpartition(".")
    monkeypatch.delattr(importlib.import_module(parent), child, raising=False)
    monkeypatch.setitem(sys.modules, name, None)


class PackLoadedAnew:
    """The pack as a freshly started ComfyUI loads it; the one that was loaded before is back afterwards."""

    def __enter__(self) -> ModuleType:
        self.before = self._take()
        return load_pack()

    def __exit__(self, *exception):
        self._take()
        sys.modules.update(self.before)

    def _take(self) -> dict[str, ModuleType]:
        names = [name for name in sys.modules if name.partition(".")[0] == PACK_NAME]
        return {name: sys.modules.pop(name) for name in names}


def _found(path: str):
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        for part in parts[end:]:
            value = getattr(value, part)
        return value
    raise LookupError(path)


def _functions(owner):
    """The functions and methods that a module or a class defines."""
    for value in list(vars(owner).values()):
        value = getattr(value, "__func__", value)
        if isinstance(value, property):
            value = value.fget
        if isinstance(value, FunctionType):
            yield value
            if hasattr(value, "__wrapped__"):
                yield value.__wrapped__
        elif isinstance(value, type) and value.__module__ == getattr(owner, "__module__", owner.__name__):
            outer = "" if isinstance(owner, ModuleType) else f"{owner.__qualname__}."
            if value.__qualname__.startswith(outer) and value is not owner:
                yield from _functions(value)


def another(name: str) -> str:
    return f"{name}_of_another_version"


def _renamed(code, name: str):
    def constant(value):
        if hasattr(value, "co_code"):
            return _renamed(value, name)
        return another(name) if value == name else value

    return code.replace(
        co_names=tuple(another(name) if each == name else each for each in code.co_names),
        co_consts=tuple(map(constant, code.co_consts)),
    )
