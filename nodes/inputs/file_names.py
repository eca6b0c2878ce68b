"""Names of files that come with a workflow."""

import re

_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3]) *(\..*)?", re.IGNORECASE)


def shown(name: str) -> str:
    """For a message of one line."""
    text = name if name.isprintable() else repr(name)[1:-1]
    return text if len(text) <= 80 else f"{text[:80]}..."


def windows_problem(path: str) -> str | None:
    """Why Windows cannot make a file `path`, or would make another one, as the end of a sentence; None if it can.

    Source: Microsoft, *Naming Files, Paths, and Namespaces*.
    """
    for part in re.split(r"[\\/]", path):
        wrong = re.search(r'[<>:"|?*]', part)
        if wrong:
            return f"holds the character {wrong[0]!r}, which a file name cannot hold on Windows: remove it."
        if _DEVICE.fullmatch(part):
            return f"holds the name {part!r}, which stands for a device on Windows: choose another one."
        if part.endswith((".", " ")) and part not in (".", ".."):
            return f"holds the name {part!r}, whose last character Windows drops: remove it."
    return None
