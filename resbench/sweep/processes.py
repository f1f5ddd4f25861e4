"""Runs as processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import connection, forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

from resbench.errors import UserError
from resbench.leaderboard.records import Record, RecordError, read_record
from resbench.sweep.plan import Cell

#: Each run is a fork of one process that has imported everything: importing takes longer than many a run.
FORKS = "forkserver" in multiprocessing.get_all_start_methods()
CONTEXT = multiprocessing.get_context("forkserver") if FORKS else multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Job:
    """A run with its identity.

    Attributes:
        cell: what to run.
        complete: folder of the complete run.
        attempt: folder of an attempt.
        log: file for what the run prints.
    """

    cell: Cell
    complete: Path
    attempt: Path
    log: Path

    def record(self) -> Record | None:
        """The record of the complete run if there is one, else of the attempt."""
        for folder in (self.complete, self.attempt):
            try:
                return read_record(folder / "record.json")
            except RecordError:
                continue
        return None

    @property
    def done(self) -> bool:
        """Whether there is a complete record."""
        record = self.record()
        return record is not None and record.status == "complete"


def prepare() -> None:
    """Begin to import what the runs need, in a process of its own, while this one does something else."""
    # A library that starts one thread a core in each of several processes makes all of them slow; the runs set theirs.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if FORKS:
        CONTEXT.set_forkserver_preload(["resbench.training.fit"])
        forkserver.ensure_running()


def execute(
    jobs: Sequence[Job], workers: int, started: Callable[[Job], None], ended: Callable[[Job, int], None]
) -> None:
    """Run jobs, at most ``workers`` at a time, in order.

    On KeyboardInterrupt every running job gets SIGINT once, leaves its record and checkpoint, and is waited for; a
    second one kills them.

    Args:
        jobs: what to run.
        workers: number of processes.
        started: called with each job when it starts.
        ended: called with each job when it has ended, and its exit status.

    Raises:
        KeyboardInterrupt: when interrupted, after all jobs have ended.
    """
    waiting = list(jobs)
    running: dict[Job, BaseProcess] = {}

    def collect() -> None:
        connection.wait([process.sentinel for process in running.values()])
        for job, process in list(running.items()):
            if process.exitcode is not None:
                del running[job]
                ended(job, process.exitcode)

    try:
        while waiting or running:
            while waiting and len(running) < workers:
                job = waiting.pop(0)
                job.log.parent.mkdir(parents=True, exist_ok=True)
                running[job] = CONTEXT.Process(target=_work, args=(job.cell.argv, job.log))
                running[job].start()
                started(job)
            collect()
    except KeyboardInterrupt:
        try:
            for process in running.values():
                _interrupt(process)
            while running:
                collect()
        finally:
            for process in running.values():
                process.kill()
        raise


def _interrupt(process: BaseProcess) -> None:
    if process.pid is not None:
        os.kill(process.pid, signal.SIGINT)


def _work(argv: Sequence[str], log: Path) -> None:
    """One run, in its own process."""
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    if sys.platform != "win32":
        os.setsid()  # the terminal's Ctrl-C reaches the sweep only, which passes it on once
    from resbench.training.fit import fit

    try:
        status = fit(argv)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:  # before there was anything to record
        status = 130
    sys.exit(status)
