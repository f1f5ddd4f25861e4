"""What is shared by data modules that read files, or download them where they are missing."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def no_empty_folders(folder: Path) -> Iterator[None]:
    """Where the block fails, remove the folders at and above ``folder`` that it made and left empty."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    except BaseException:
        for path in made:  # from the inside
            with contextlib.suppress(OSError):  # something is in it, or it was never made
                path.rmdir()
        raise


def reason(error: Exception) -> str:
    """The last line of what an error says."""
    return (str(error).strip() or repr(error)).splitlines()[-1]
