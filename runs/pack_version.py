"""The pack's version, stated once: in pyproject.toml."""

import re
from pathlib import Path

_PROJECT = (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
PACK_VERSION: str = re.search(r'^version = "(.+)"$', _PROJECT, re.MULTILINE).group(1)
