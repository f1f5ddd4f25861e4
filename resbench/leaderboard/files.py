"""Writing a file so that a reader never sees half of it."""

import os
import secrets
from pathlib import Path


def write_text_atomically(path: Path | str, text: str) -> None:
    """Write ``text`` (UTF-8, newlines as given) to ``path``; whoever opens it sees the old file or the whole new one.

    The text goes to a hidden file in the same folder, reaches the disk and then takes the name. Missing folders are
    made.

    Raises:
        OSError: where the folder cannot be written; ``path`` is then unchanged.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
