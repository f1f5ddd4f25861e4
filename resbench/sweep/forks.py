"""Processes of runs on this machine: forks of one process that has imported everything."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess

from resbench.sweep.job import Job, work

#: Importing takes longer than many runs, so each run is a fork where the system can do that.
FORKS = "forkserver" in multiprocessing.get_all_start_methods()
CONTEXT = multiprocessing.get_context("forkserver") if FORKS else multiprocessing.get_context("spawn")


def prepare() -> None:
    """Start the process from which runs are forked. It imports, while the caller continues."""
    # If a library starts one thread for each core in several processes, all of them become slow. The number of threads
    # of a run is in its config.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if FORKS:
        CONTEXT.set_forkserver_preload(["resbench.training.preload"])
        forkserver.ensure_running()


def start(job: Job, environment: Mapping[str, str] | None = None, orphaned: int = signal.SIGTERM) -> BaseProcess:
    """Start a process that does the work of a job. Its exit code is the status, or minus the signal that killed it.

    Args:
        job: the run.
        environment: variables of the process that it would not have otherwise.
        orphaned: signal that it gets if this process is gone.
    """
    process = CONTEXT.Process(target=_process, args=(job, dict(environment or {}), orphaned))
    process.start()
    return process


def _process(job: Job, environment: Mapping[str, str], orphaned: int) -> None:
    os.environ.update(environment)
    if sys.platform != "win32":
        os.setsid()  # so that the terminal sends Ctrl-C to the sweep only, which passes it on once
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # until the training sets its own handler
    threading.Thread(target=_end_with_the_parent, args=(orphaned,), daemon=True).start()
    sys.exit(work(job))


def _end_with_the_parent(orphaned: int) -> None:
    """Wait for the end of the parent, which after a `kill -9` cannot stop this process."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    signal.raise_signal(orphaned)
