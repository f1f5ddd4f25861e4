"""Runs as processes of this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from resbench.leaderboard.records import Record, RecordError, read_record
from resbench.sweep.plan import Cell


@dataclass(frozen=True)
class Job:
    """A run with its identity.

    Attributes:
        cell: what to run.
        complete: folder of the complete run.
        attempt: folder of an attempt.
        log: file for what the run prints.
        threads: CPU threads that it uses.
    """

    cell: Cell
    complete: Path
    attempt: Path
    log: Path
    threads: int

    def record(self) -> Record | None:
        """The record of the run, of the complete one if there is one."""
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


def execute(
    jobs: Sequence[Job], workers: int, started: Callable[[Job], None], ended: Callable[[Job, int], None]
) -> None:
    """Run jobs, at most ``workers`` at a time, in order.

    On KeyboardInterrupt every running job gets SIGINT once, leaves its record and checkpoint, and is waited for.

    Args:
        jobs: what to run.
        workers: number of processes.
        started: called with each job when it starts.
        ended: called with each job when it has ended, and its exit status.

    Raises:
        KeyboardInterrupt: when interrupted, after all jobs have ended.
    """
    waiting = list(jobs)
    running: dict[Job, subprocess.Popen[bytes]] = {}
    with _ended_at_interrupt(running, ended):
        while waiting or running:
            while waiting and len(running) < workers:
                job = waiting.pop(0)
                running[job] = _start(job)
                started(job)
            for job, process in list(running.items()):
                status = process.poll()
                if status is not None:
                    del running[job]
                    ended(job, status)
            time.sleep(0.05)


def _start(job: Job) -> subprocess.Popen[bytes]:
    job.log.parent.mkdir(parents=True, exist_ok=True)
    # A library that starts one thread a core in each of several processes makes all of them slow.
    environment = os.environ | {"OMP_NUM_THREADS": str(job.threads)}
    with job.log.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "resbench", "fit", *job.cell.argv],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # the terminal's Ctrl-C reaches only this process, which passes it on once
        )


@contextmanager
def _ended_at_interrupt(
    running: dict[Job, subprocess.Popen[bytes]], ended: Callable[[Job, int], None]
) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for process in running.values():
            process.send_signal(signal.SIGINT)
        try:
            for job, process in running.items():
                ended(job, process.wait())
        except KeyboardInterrupt:  # asked twice
            for process in running.values():
                process.kill()
            raise
        raise
