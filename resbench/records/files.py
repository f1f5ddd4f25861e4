"""Writing a file so that a reader never sees half of it."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

#: Names of files that a killed process may have left half written.
TEMPORARY = ".*.tmp"


@contextmanager
def replacing(path: Path | str) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of ``path`` when the block ends without an error.

    What is written goes to a hidden file in the same folder, reaches the disk and then takes the name, so whoever opens
    ``path`` sees the old file or the whole new one. Missing folders are made.

    Raises:
        OSError: where the folder cannot be written or the disk is full; ``path`` is then unchanged.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text_atomically(path: Path | str, text: str) -> None:
    """Write ``text`` (UTF-8, newlines as given) to ``path``, as :func:`replacing` does.

    Raises:
        OSError: where the folder cannot be written; ``path`` is then unchanged.
    """
    with replacing(path) as file:
        file.write(text.encode())


def keep_lines(path: Path, count: int) -> bool:
    """Cut a text file after its first ``count`` lines, atomically; a file that is not there has no lines.

    Returns:
        Whether the file had as many.
    """
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    if len(lines) > count:
        with replacing(path) as file:
            file.writelines(lines[:count])
    return len(lines) >= count
