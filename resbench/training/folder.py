"""The folder of a run, named by the hash of its config. Only a complete result replaces a complete result."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from filelock import FileLock, Timeout

from resbench.errors import UserError
from resbench.records.files import TEMPORARY, path_of
from resbench.records.names import ATTEMPT, PREVIOUS, RECORD
from resbench.records.schema import record_or_none

#: Digits of the config hash in the name of a folder.
DIGITS = 12


class RunFolder:
    """Where a run writes.

    A run works in ``root/name/HASH.attempt``. When it is complete, the folder is renamed to ``root/name/HASH`` and
    replaces an earlier complete run. Files that only the earlier one has stay, such as evaluations and runs of Weights
    & Biases that were not uploaded yet. A run that fails or is interrupted stays an attempt, with its record and its
    checkpoint, until the next attempt.

    Args:
        root: folder of all runs.
        name: folder of the experiment.
        config_hash: hash of the resolved config.
    """

    def __init__(self, root: Path | str, name: str, config_hash: str) -> None:
        self.complete = path_of(root) / name / config_hash[:DIGITS]
        self.attempt = self.complete.with_name(f"{self.complete.name}{ATTEMPT}")
        self._lock = FileLock(self.attempt.with_name(f".{self.complete.name}.lock"))

    def begin(self) -> bool:
        """Take the folder for an attempt.

        Returns:
            Whether the run is complete already and there is no newer attempt. If the process of a complete attempt was
            killed before it could rename the folder, this is done first.

        Raises:
            UserError: if another process works on the same run, or if the folder cannot be written.
        """
        try:
            self.attempt.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=1)  # longer than `in_progress` holds it
            self._settle()
            for path in self.attempt.glob(TEMPORARY):
                path.unlink()
            return is_complete(self.complete) and not self.attempt.exists()
        except Timeout:
            raise UserError(f"{self.attempt}: this run is in progress in another process; wait, or stop it") from None
        except OSError as error:
            self.release()
            raise UserError(
                f"experiment.root: {self.attempt} cannot be written ({error.strerror}); name another folder"
            ) from None

    def clear(self) -> None:
        """Make the folder of the attempt empty."""
        _remove(self.attempt)
        self.attempt.mkdir()

    def discard(self) -> None:
        """Remove the folder of an attempt that did not begin."""
        _remove(self.attempt)

    def in_progress(self) -> bool:
        """Whether a process works on this run."""
        if not Path(self._lock.lock_file).exists():
            return False
        try:
            with self._lock.acquire(timeout=0):
                return False
        except Timeout:
            return True
        except OSError:  # the folder cannot be written
            return False

    def end(self, complete: bool) -> Path:
        """Give the folder its final name and release it.

        Returns:
            The folder with the files.
        """
        if complete:
            self._promote()
        self.release()
        return self.complete if complete else self.attempt

    def release(self) -> None:
        """Let other processes use the folder, if this one has it."""
        if not self._lock.is_locked:
            return
        with contextlib.suppress(OSError):  # Windows cannot remove a locked file
            Path(self._lock.lock_file).unlink()  # while it is locked; later it could be the lock of another process
        self._lock.release()

    @property
    def _old(self) -> Path:
        return self.complete.with_name(f"{self.complete.name}.old")

    def _settle(self) -> None:
        """If a process was killed while it renamed folders, finish that."""
        if is_complete(self.attempt):
            self._promote()
        elif self._old.exists() and not self.complete.exists():
            self._old.rename(self.complete)
        self._replace_old()

    def _promote(self) -> None:
        """Replace the complete run by the attempt. At every moment one of the two is there completely."""
        (self.attempt / PREVIOUS).unlink(missing_ok=True)
        if os.path.lexists(self.complete):
            _remove(self._old)
            self.complete.rename(self._old)
        self.attempt.rename(self.complete)
        self._replace_old()

    def _replace_old(self) -> None:
        if self._old.is_dir() and not self._old.is_symlink():
            _bring_over(self._old, self.complete)
        _remove(self._old)


def _bring_over(old: Path, new: Path) -> None:
    """Move what only the old folder has into the new one; hidden files are left."""
    for path in old.iterdir():
        target = new / path.name
        if path.name.startswith("."):
            continue
        if not os.path.lexists(target):
            path.rename(target)
        elif path.is_dir() and not path.is_symlink() and target.is_dir():
            _bring_over(path, target)


def _remove(folder: Path) -> None:
    """Remove a folder if it exists. If it is a link, remove only the link."""
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder, ignore_errors=True)


def is_complete(folder: Path) -> bool:
    """Whether a folder contains the record of a complete run."""
    record = record_or_none(folder / RECORD)
    return record is not None and record.status == "complete"


def was_interrupted(attempt: Path) -> bool:
    """Whether an attempt was killed or interrupted. One that failed or diverged has ended and has a record."""
    record = record_or_none(attempt / RECORD)
    return attempt.exists() if record is None else record.status == "interrupted"
