"""Runs as processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from multiprocessing import connection, forkserver
from multiprocessing.process import BaseProcess

from resbench.sweep.executor import sigterm_interrupts
from resbench.sweep.job import ATTEMPTS, Job, work

#: Each run is a fork of one process that has imported everything, because importing takes longer than many runs.
FORKS = "forkserver" in multiprocessing.get_all_start_methods()
CONTEXT = multiprocessing.get_context("forkserver") if FORKS else multiprocessing.get_context("spawn")


class LocalExecutor:
    """Runs at most ``workers`` processes at a time.

    The process from which they are forked starts to import immediately, while the caller continues.

    Args:
        workers: number of processes.
    """

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        # If a library starts one thread for each core in several processes, all of them become slow. The number of
        # threads of a run is in its config.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        if FORKS:
            CONTEXT.set_forkserver_preload(["resbench.training.preload"])
            forkserver.ensure_running()

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
                    new = CONTEXT.Process(target=_process, args=(job,))
                    new.start()
                    running[job] = new
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


def _process(job: Job) -> None:
    if sys.platform != "win32":
        os.setsid()  # so that the terminal sends Ctrl-C to the sweep only, which passes it on once
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # until the training sets its own handler
    threading.Thread(target=_end_with_the_sweep, daemon=True).start()
    sys.exit(work(job))


def _end_with_the_sweep() -> None:
    """Wait for the end of the sweep's process, which after a `kill -9` cannot stop this one."""
    sweep = multiprocessing.parent_process()
    assert sweep is not None
    sweep.join()
    signal.raise_signal(signal.SIGTERM)
