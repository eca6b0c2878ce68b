"""Files that are there as a whole or not at all: written beside, then renamed."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def written_whole(path: str | os.PathLike) -> Iterator[str]:
    """Give the name of a file beside `path` to write; it takes the place of `path` when the block ends well.

    After an error, such as a full disk, the old file is as it was and the new one is removed. A killed process may
    leave a hidden `.partial` file.

    Raises:
        OSError: the file cannot be written, or cannot take its place.
    """
    folder = os.path.dirname(os.path.abspath(path))
    partial = os.path.join(folder, f".{secrets.token_hex(8)}.partial")  # short: a long name must stay possible
    try:
        yield partial
        with open(partial, "rb+") as written:
            os.fsync(written.fileno())  # else a power failure can leave the new name with no content
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise


def write_text_whole(path: str | os.PathLike, text: str) -> None:
    """Write UTF-8 text as `written_whole` does."""
    with written_whole(path) as partial, open(partial, "w", encoding="utf-8") as file:
        file.write(text)
