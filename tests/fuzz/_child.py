"""Runs one command line in a process of its own, with a time limit."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from resbench.crossbar.kernels.compiled import NOTICE

#: A command that takes more seconds than these counts as hanging.
LIMIT = 20


class Ended(NamedTuple):
    """Exit status (None if it was stopped), text on stderr, and seconds."""

    status: int | None
    err: str
    seconds: float

    @property
    def wrong(self) -> str | None:
        """The fault, if there is one: a hang, an end by a signal, a traceback, or an error of more than one line."""
        if self.status is None:
            return f"hangs for {LIMIT} s"
        if "Traceback (most recent call last)" in self.err:
            return f"traceback: {self.err.strip().splitlines()[-1][:200]}"
        if self.status not in (0, 1, 2):
            return f"exit status {self.status}: {self.err.strip()[-200:]}"
        lines = [line for line in self.err.strip().splitlines() if line != NOTICE]
        if self.status == 2 and len(lines) != 1:
            return f"{len(lines)} lines: {self.err.strip()[:300]}"
        return None


def ended(argv: Sequence[str], folder: Path) -> Ended:
    """Run a command line of resbench in a fork of this process, with a folder as its working directory."""
    out = folder / ".stderr"
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        _run(argv, folder, out)
    status = None
    while status is None and time.monotonic() - start < LIMIT:
        pid, code = os.waitpid(child, os.WNOHANG)
        if pid:
            status = os.waitstatus_to_exitcode(code)
        else:
            time.sleep(0.01)
    if status is None:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    err = out.read_text(encoding="utf-8", errors="replace") if out.exists() else ""
    out.unlink(missing_ok=True)
    return Ended(status, err, time.monotonic() - start)


def _run(argv: Sequence[str], folder: Path, out: Path) -> None:
    status = 70
    try:
        os.chdir(folder)
        sys.path.append(str(folder))
        sys.dont_write_bytecode = True
        with out.open("w") as file, Path(os.devnull).open("w") as nothing:
            os.dup2(file.fileno(), 2)
            os.dup2(nothing.fileno(), 1)
        from resbench.cli import main

        status = main(argv)
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 70
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        os._exit(status)
