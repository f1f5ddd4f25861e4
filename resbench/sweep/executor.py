"""Who runs the jobs of a sweep: the interface that `local`, `ray` and `slurm` have in common."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from resbench.sweep.job import Job


class Executor(Protocol):
    """Runs jobs, each as ``resbench.sweep.job.work`` in a process of its own on a file system that all of them see.

    What becomes of a job is read off its files, so an executor only says when one starts and when it has ended.
    """

    def execute(self, jobs: Sequence[Job], started: Callable[[Job], None], ended: Callable[[Job], None]) -> None:
        """Run jobs until each has ended.

        A job whose process is killed is taken up again, at most ``ATTEMPTS`` times in all; then the reason is noted in
        its log.

        Args:
            jobs: what to run, in this order.
            started: called with each job when it starts.
            ended: called with each job when it has ended.

        Raises:
            KeyboardInterrupt: at Ctrl-C or SIGTERM, after the jobs have left their records and checkpoints and ended.
            UserError: where the jobs cannot be run at all.
        """


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """In this block SIGTERM, by which `kill`, systemd and batch systems end a process, is what Ctrl-C is."""
    if threading.current_thread() is not threading.main_thread():  # only that one can take signals
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
