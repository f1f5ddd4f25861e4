"""Runs in processes of their own that kill themselves at a chosen moment, as `kill -9` does."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Sequence
from multiprocessing.context import ForkServerContext
from multiprocessing.forkserver import ForkServer
from pathlib import Path
from typing import Any

#: What happens to files on the way: a run of a given config meets the same events in the same order each time.
EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir")


class Killer:
    """Counts the events of files in a folder, and kills the process at one of them or after some time.

    Args:
        folder: where files count.
        event: number of the event to die at, which then does not happen; None for none.
        seconds: time to die at; None for none.
    """

    def __init__(self, folder: Path, event: int | None = None, seconds: float | None = None) -> None:
        self.folder, self.event, self.count = str(folder), event, 0
        if seconds is not None:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            threading.Timer(seconds, _die).start()

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in EVENTS or not str(arguments[0]).startswith(self.folder):
            return
        if event == "open" and not (isinstance(arguments[1], str) and set(arguments[1]) & set("xwa")):
            return
        if self.count == self.event:
            _die()
        self.count += 1


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Forks:
    """Command lines of resbench, each in a fork of one process that has imported everything.

    Args:
        folder: where the runs write, and their output goes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.server = folder, ForkServer()
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.training.killing", "resbench.training.fit", "resbench.cli"])
        self.context: ForkServerContext = context

    def run(self, argv: Sequence[str], event: int | None = None, seconds: float | None = None) -> tuple[int, str]:
        """The exit status of a command line, negative for a signal, and what it printed."""
        log = self.folder / "output.txt"
        process = self.context.Process(target=_work, args=(tuple(argv), self.folder, log, event, seconds))
        process.start()
        process.join()
        assert process.exitcode is not None
        return process.exitcode, log.read_text()


def _work(argv: Sequence[str], folder: Path, log: Path, event: int | None, seconds: float | None) -> None:
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    killer = Killer(folder / "runs", event, seconds)
    sys.addaudithook(killer)
    from resbench.cli import main

    status = main(argv)
    print("events:", killer.count, flush=True)
    os._exit(status)
