"""Writing files atomically: a reader never sees half of a file."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

#: Pattern of the temporary files, which a killed process may leave behind.
TEMPORARY = ".*.tmp"


@contextmanager
def replacing(path: Path | str) -> Iterator[BinaryIO]:
    """Open a file that replaces ``path`` when the block ends without an error.

    It is a hidden file in the same folder. At the end it is flushed to the disk and then renamed. So a reader of
    ``path`` sees either the old file or the complete new one. Missing folders are made.

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
    """Cut a text file after its first ``count`` lines, atomically. A missing file counts as an empty one.

    Returns:
        Whether the file had at least ``count`` lines.
    """
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    if len(lines) > count:
        with replacing(path) as file:
            file.writelines(lines[:count])
    return len(lines) >= count
