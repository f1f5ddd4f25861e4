"""Runs as processes of this machine."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Sequence
from multiprocessing import connection
from multiprocessing.process import BaseProcess

from resbench.sweep import forks
from resbench.sweep.executor import sigterm_interrupts
from resbench.sweep.job import ATTEMPTS, Job


class LocalExecutor:
    """Runs at most ``workers`` processes at a time.

    The process from which they are forked starts to import immediately, while the caller continues.

    Args:
        workers: number of processes.
    """

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        forks.prepare()

    def execute(self, jobs: Sequence[Job], started: Callable[[Job], None], ended: Callable[[Job], None]) -> None:
        """See ``Executor``.

        At Ctrl-C or SIGTERM, every running job gets SIGTERM and writes its record and checkpoint, and the sweep waits
        for it. The second time, all jobs are killed. If the sweep itself is gone, its jobs end in the same way.
        """
        with sigterm_interrupts():
            self._execute(jobs, started, ended)

    def _execute(self, jobs: Sequence[Job], started: Callable[[Job], None], ended: Callable[[Job], None]) -> None:
        waiting = list(jobs)
        running: dict[Job, BaseProcess] = {}
        begun: Counter[Job] = Counter()

        def collect(take_up: bool) -> None:
            connection.wait([process.sentinel for process in running.values()])
            for job, process in list(running.items()):
                if process.exitcode is None:
                    continue
                del running[job]
                if process.exitcode < 0:
                    job.note(f"killed by {signal.Signals(-process.exitcode).name}")
                ended(job)
                if process.exitcode < 0 and take_up and begun[job] < ATTEMPTS:
                    waiting.append(job)

        try:
            while waiting or running:
                while waiting and len(running) < self.workers:
                    job = waiting.pop(0)
                    running[job] = forks.start(job)
                    begun[job] += 1
                    started(job)
                collect(take_up=True)
        except KeyboardInterrupt:
            try:
                for process in running.values():
                    process.terminate()
                while running:
                    collect(take_up=False)
            finally:
                for process in running.values():
                    process.kill()
            raise
