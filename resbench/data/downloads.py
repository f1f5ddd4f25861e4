"""Helpers of data modules that read files, or download them if they are missing."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def no_empty_folders(folder: Path) -> Iterator[None]:
    """If the block fails, remove the folders at and above ``folder`` that it created and left empty."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    except BaseException:
        for path in made:  # the innermost first
            with contextlib.suppress(OSError):  # it is not empty, or was never created
                path.rmdir()
        raise


def reason(error: Exception) -> str:
    """The last line of the message of an error."""
    return (str(error).strip() or repr(error)).splitlines()[-1]
