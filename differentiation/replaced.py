"""Attributes that are replaced while somebody needs it, also where runs in several threads overlap."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_ABSENT = object()
_lock = threading.RLock()
_replaced: dict[tuple[int, str], "_Replacement"] = {}


class _Replacement:
    def __init__(self, owner: object, name: str, make: Callable[[Any], Any]):
        self.owner, self.name = owner, name
        self.before = vars(owner).get(name, _ABSENT)
        self.users = 0
        setattr(owner, name, make(getattr(owner, name)))

    def undo(self) -> None:
        if self.before is _ABSENT:
            delattr(self.owner, self.name)
        else:
            setattr(self.owner, self.name, self.before)


@contextmanager
def replaced(owner: object, name: str, make: Callable[[Any], Any]) -> Iterator[None]:
    """While open, `owner.name` is `make` of what it was before.

    Contexts on the same attribute may overlap in any order, as runs in two threads do: the first one's replacement
    serves them all, and the last one to leave puts back what was there. So they have to want the same.

    Args:
        owner: a module, a namespace or an object. One that inherits the attribute gets its own meanwhile.
        name: of the attribute, which has to be there.
        make: what was there before -> what stands there while the context is open.
    """
    key = id(owner), name
    with _lock:
        replacement = _replaced.get(key)
        if replacement is None:
            replacement = _replaced[key] = _Replacement(owner, name, make)
        replacement.users += 1
    try:
        yield
    finally:
        with _lock:
            replacement.users -= 1
            if not replacement.users:
                del _replaced[key]
                replacement.undo()
