"""Who runs the jobs of a sweep: the interface that `local`, `ray` and `slurm` have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
            KeyboardInterrupt: when interrupted, after the jobs have left their records and checkpoints and have ended.
            UserError: where the jobs cannot be run at all.
        """
