"""The interface of executors, which run the jobs of a sweep; `local`, `ray` and `slurm` implement it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from resbench.sweep.job import Job


class Executor(Protocol):
    """Runs each job as ``resbench.sweep.job.work`` in a process of its own, on a file system that all processes share.

    The result of a job is read from its files. So an executor only reports when a job starts and when it has ended.
    """

    def execute(self, jobs: Sequence[Job], started: Callable[[Job], None], ended: Callable[[Job], None]) -> None:
        """Run jobs until each has ended.

        A job whose process is killed is started again, until it has been started ``ATTEMPTS`` times. Its log has the
        reason.

        Args:
            jobs: the jobs, in the order in which they start.
            started: called with each job when it starts.
            ended: called with each job when it has ended.

        Raises:
            KeyboardInterrupt: at Ctrl-C or SIGTERM, after the jobs have written records and checkpoints and ended.
            UserError: if the jobs cannot be run at all.
        """


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """In this block SIGTERM has the effect of Ctrl-C. `kill`, systemd and batch systems end a process with SIGTERM."""
    if threading.current_thread() is not threading.main_thread():  # other threads cannot set handlers
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
