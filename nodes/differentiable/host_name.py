"""One name of ComfyUI, and whether this ComfyUI has it."""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any


@dataclass(frozen=True)
class HostName:
    """One name.

    Attributes:
        path: a module, or what it holds.
        purpose: what the name is for here.
        noted: an attribute or a key that is found on objects alone, so that nothing fails where it is missing: the code
            of `path` must name it.
        since: ComfyUIs before this version do without.
        where: needed only where this module or name exists.
    """

    path: str
    purpose: str
    noted: str = ""
    since: str = ""
    where: str = ""

    def __str__(self) -> str:
        return f"{self.path}{f' ({self.noted!r})' * bool(self.noted)}, for {self.purpose}"


@cache
def missing(names: tuple[HostName, ...]) -> tuple[HostName, ...]:
    """Those of the names that this ComfyUI should have and has not."""
    return tuple(name for name in names if is_needed(name) and not is_there(name))


def is_needed(name: HostName) -> bool:
    """Whether a ComfyUI of this version should have the name."""
    if name.where and _found(name.where) is None:
        return False
    return not name.since or _version(version_text()) >= _version(name.since)


def is_there(name: HostName) -> bool:
    """Whether this ComfyUI has the name."""
    found = _found(name.path)
    return found is not None and (not name.noted or _names(found, name.noted))


_NOTHING = (None,)  # a name whose value is None is there


def _found(path: str) -> Any:
    """What goes by that name; None where nothing does."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        for part in parts[end:]:
            if not hasattr(value, part):
                return None
            value = getattr(value, part)
        return _NOTHING if value is None else value
    return None


def _names(owner: object, name: str) -> bool:
    """Whether the code of a module or a class has the name, as an attribute or as a text."""
    return any(name in code.co_names or name in code.co_consts for code in _codes(owner))


def _codes(owner: object) -> Iterator[CodeType]:
    if isinstance(owner, CodeType):
        yield owner
        for constant in owner.co_consts:
            if isinstance(constant, CodeType):
                yield from _codes(constant)
    elif isinstance(owner, ModuleType):
        for value in vars(owner).values():
            if getattr(value, "__module__", None) == owner.__name__ and isinstance(value, type | FunctionType):
                yield from _codes(value)
    elif isinstance(owner, type):
        for value in vars(owner).values():
            if not isinstance(value, type) or value.__qualname__.startswith(f"{owner.__qualname__}."):
                yield from _codes(value)
    elif isinstance(owner, FunctionType):
        yield from _codes(owner.__code__)
        yield from _codes(getattr(owner, "__wrapped__", None))
    elif isinstance(owner, staticmethod | classmethod):
        yield from _codes(owner.__func__)
    elif isinstance(owner, property):
        yield from _codes(owner.fget)


def version_text() -> str:
    """The version of this ComfyUI."""
    version = _found("comfyui_version.__version__")
    return version if isinstance(version, str) else "of unknown version"


def _version(text: str) -> tuple[int, ...]:
    """A version that cannot be read is a new one."""
    numbers = text.split(".")[:3]
    return tuple(map(int, numbers)) if all(number.isdigit() for number in numbers) else (10**6,)
