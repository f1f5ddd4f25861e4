"""Writing files atomically, so that a reader never sees half of a file, and checksums of files."""

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
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


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits, as ``sha256sum`` prints it.

    Raises:
        OSError: if it is not there or cannot be read.
    """
    status = path.stat()
    return _sha256(path.resolve(), status.st_size, status.st_mtime_ns)


def joint_sha256(files: Iterable[tuple[str, Path]]) -> str:
    """One SHA-256 of several files, each with a name for what it is; their order does not matter.

    Raises:
        OSError: if one of them cannot be read.
    """
    lines = sorted(f"{name}\t{file_sha256(path)}\n" for name, path in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@lru_cache(maxsize=2**17)
def _sha256(path: Path, size: int, changed: int) -> str:
    """The checksum of a file, computed again once its size or time has changed; a sweep asks for it in each run."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def path_of(text: str | os.PathLike[str]) -> Path:
    """The path that somebody wrote, where ``~`` is the home folder. A user who is not known stays part of the name."""
    return Path(os.path.expanduser(text))


def real_path(path: Path) -> Path:
    """The absolute path without links, as far as they lead; a link to itself is no error, as it is in pathlib."""
    return Path(os.path.realpath(path))
