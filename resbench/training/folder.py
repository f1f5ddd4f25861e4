"""The folder of a run, named by the hash of its config: a complete result is replaced only by a complete result."""

from __future__ import annotations

import shutil
from pathlib import Path

from filelock import FileLock, Timeout

from resbench.errors import UserError

RECORD = "record.json"
CONFIG = "config.yaml"
CHECKPOINT = "last.ckpt"
#: Digits of the config hash in the name of a folder.
DIGITS = 12


class RunFolder:
    """Where a run writes.

    A run works in ``root/name/HASH.attempt``. When it is complete the folder takes the name ``root/name/HASH``, in the
    place of an earlier complete run; a run that fails or is interrupted stays an attempt, with its record and its
    checkpoint, until the next attempt.

    Args:
        root: folder of all runs.
        name: folder of the experiment.
        config_hash: hash of the resolved config.
    """

    def __init__(self, root: Path | str, name: str, config_hash: str) -> None:
        self.complete = Path(root, name, config_hash[:DIGITS])
        self.attempt = self.complete.with_name(f"{self.complete.name}.attempt")
        self._lock = FileLock(self.attempt.with_name(f".{self.complete.name}.lock"))

    def begin(self, keep: bool = False) -> None:
        """Take the folder for a new attempt, which clears what an earlier attempt left.

        Args:
            keep: leave the files of the earlier attempt, because this one continues it.

        Raises:
            UserError: while another process works on the same run, or where the folder cannot be written.
        """
        try:
            self.attempt.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
            if not keep:
                shutil.rmtree(self.attempt, ignore_errors=True)
            self.attempt.mkdir(exist_ok=True)
        except Timeout:
            raise UserError(f"{self.attempt}: this run is in progress in another process; wait, or stop it") from None
        except OSError as error:
            raise UserError(
                f"experiment.root: {self.attempt} cannot be written ({error.strerror}); name another folder"
            ) from None

    def end(self, complete: bool) -> Path:
        """Give the folder its final name and release it.

        Returns:
            Where the files are now.
        """
        if complete:
            old = self.complete.with_name(f"{self.complete.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            if self.complete.exists():
                self.complete.rename(old)
            self.attempt.rename(self.complete)
            shutil.rmtree(old, ignore_errors=True)
        self._lock.release()
        Path(self._lock.lock_file).unlink(missing_ok=True)
        return self.complete if complete else self.attempt
