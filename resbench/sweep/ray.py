"""An executor whose runs are tasks of a Ray cluster."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from resbench.errors import UserError
from resbench.sweep import forks
from resbench.sweep.executor import sigterm_interrupts
from resbench.sweep.job import ATTEMPTS, Job

if TYPE_CHECKING:
    import ray

#: Seconds between two checks of the tasks.
POLL = 0.5
#: Number of attempts to connect. The head node forks a process for each client, which sometimes dies immediately.
CONNECTIONS = 3


class RayExecutor:
    """Each run is a remote task, whose worker forks a process for it. A worker imports everything once for its runs.

    If the process of a run or its worker is killed, Ray runs the task again, and the run continues.

    The nodes share a file system and an environment: working directory, data and results have the same paths on all.

    Args:
        address: ``ray://HOST:PORT`` or ``HOST:PORT``. None means ``RAY_ADDRESS`` if it is set, else a cluster that runs
            on this machine, else a new one that ends with the sweep.
        workers: runs at a time; None for as many as the cluster allows.
        cpus: CPUs of a run; None for the ``threads`` of its config.
        gpus: GPUs of a run; with 0.5, two runs share one.

    Raises:
        UserError: if Ray is not installed.
    """

    def __init__(
        self, address: str | None = None, workers: int | None = None, cpus: float | None = None, gpus: float = 0
    ) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no statistics are sent unless the user asks for it
        try:
            import ray  # noqa: F401
        except ModuleNotFoundError as error:
            raise UserError(f'--executor ray: {error.name} is missing; write: pip install "resbench[ray]"') from None
        self.address, self.workers, self.cpus, self.gpus = address, workers, cpus, gpus

    def execute(self, jobs: Sequence[Job], started: Callable[[Job], None], ended: Callable[[Job], None]) -> None:
        """See ``Executor``.

        At Ctrl-C or SIGTERM, jobs that have not started are dropped. Running ones get SIGINT and write their records
        and checkpoints, and the sweep waits for them. The second time they are killed.
        """
        import ray

        owner = not ray.is_initialized()
        if owner:
            self._connect()
        try:
            with sigterm_interrupts():  # not earlier: Ray sets its own handler of SIGTERM when it connects
                self._warn_of_missing_resources(jobs)
                self._execute(jobs, started, ended)
        finally:
            if owner:
                ray.shutdown()

    def _execute(self, jobs: Sequence[Job], started: Callable[[Job], None], ended: Callable[[Job], None]) -> None:
        import ray

        # With GPUs, Ray would end a worker after each task by default.
        options: dict[str, Any] = {"max_calls": 0, "max_retries": ATTEMPTS - 1, "retry_exceptions": [Killed]}
        task: Any = ray.remote(**options)(work_in_a_fork)
        waiting = list(jobs)
        pending: dict[ray.ObjectRef[int], Job] = {}
        unseen: dict[Job, int] = {}

        def collect() -> None:
            ready, _ = ray.wait(list(pending), timeout=POLL)
            for job in [job for job, stamp in unseen.items() if job.stamp() != stamp]:
                del unseen[job]
                started(job)
            for reference in ready:
                job = pending.pop(reference)
                unseen.pop(job, None)
                _await(reference, job)
                ended(job)

        try:
            while waiting or pending:
                while waiting and len(pending) < (self.workers or len(jobs)):
                    job = waiting.pop(0)
                    unseen[job] = job.stamp()
                    pending[task.options(num_cpus=self._cpus(job), num_gpus=self.gpus).remote(job)] = job
                collect()
        except KeyboardInterrupt:
            try:
                for reference in pending:
                    ray.cancel(reference)
                while pending:
                    collect()
            finally:
                for reference in pending:
                    ray.cancel(reference, force=True)
            raise

    def _connect(self) -> None:
        import ray

        address = self.address or os.environ.get("RAY_ADDRESS")
        try:
            if address is None:
                try:
                    ray.init(address="auto", log_to_driver=False, logging_level=logging.ERROR)
                except ConnectionError:
                    ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
            else:
                _ask(address)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UserError(
                f"--ray-address: {address}: {_reason(error)}; write ray://HOST:10001 of the head node, "
                "and set RAY_AUTH_MODE=token if it asks for a token"
            ) from None

    def _warn_of_missing_resources(self, jobs: Sequence[Job]) -> None:
        import ray

        most = {"CPU": max(map(self._cpus, jobs)), "GPU": self.gpus}
        for kind, wanted in most.items():
            there = max((node["Resources"].get(kind, 0) for node in ray.nodes() if node["Alive"]), default=0)
            if wanted > there:
                print(
                    f"warning: a run asks for {wanted:g} {kind} and no node has more than {there:g}; it waits for one"
                )

    def _cpus(self, job: Job) -> float:
        return job.threads if self.cpus is None else self.cpus


class Killed(Exception):
    """The process of a run was killed."""


def work_in_a_fork(job: Job) -> int:
    """The task: do the work of a job in a process that is forked for it.

    Raises:
        Killed: if that process was killed.
    """
    main = sys.modules["__main__"]
    program = main.__dict__.pop("__file__", None)  # else the fork would import the program of its parent, which is Ray
    try:
        forks.prepare()
        # Ray chooses GPUs by variables. If a worker is gone, its task is run again, and must not find the run at work.
        process = forks.start(job, os.environ, orphaned=signal.SIGKILL)
    finally:
        main.__dict__["__file__"] = program
    try:
        while process.exitcode is None:
            process.join(POLL)  # `ray.cancel` does not wake a process that waits
    except KeyboardInterrupt:
        process.terminate()
        process.join()
        raise
    if process.exitcode < 0:
        reason = f"killed by {signal.Signals(-process.exitcode).name}"
        job.note(reason)
        raise Killed(reason)
    return process.exitcode


def _ask(address: str) -> None:
    """Connect to the cluster at an address. If the connection breaks off, try again."""
    import ray

    for left in reversed(range(CONNECTIONS)):
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            return
        except ConnectionAbortedError as error:
            if not left:
                raise
            print(f"warning: {address}: {_reason(error)}; trying again")


def _reason(error: Exception) -> str:
    """The first line of an error. If a traceback of the head node follows, also the last line."""
    first, *rest = str(error).strip().splitlines() or [type(error).__name__]
    return f"{first} {rest[-1]}" if first.endswith(":") and rest else first


def _await(reference: ray.ObjectRef[int], job: Job) -> None:
    """If the task of a job was cancelled or killed, note it in the log of the job."""
    import ray

    try:
        ray.get(reference)
    except ray.exceptions.TaskCancelledError:
        job.note("cancelled")
    except ray.exceptions.RayError as error:
        job.note(f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}")
