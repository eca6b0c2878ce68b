"""The pack as the package that a host makes of it; needs no host."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
PACK_NAME = "gper_pack"


def load_pack() -> ModuleType:
    """Load the root `__init__.py` as ComfyUI's node loader does, by its path, or return it where it is loaded.

    From here on `import gper_pack.runs` and the like work: folders that import one another relatively, which they
    cannot as top-level packages. What is imported both ways exists twice: a test keeps to one of them.
    """
    if PACK_NAME not in sys.modules:
        spec = importlib.util.spec_from_file_location(PACK_NAME, ROOT / "__init__.py")
        pack = sys.modules[PACK_NAME] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(pack)
    return sys.modules[PACK_NAME]
