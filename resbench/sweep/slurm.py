"""Runs as job arrays of SLURM."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

from resbench.errors import UserError
from resbench.sweep.executor import sigterm_interrupts
from resbench.sweep.job import LOGS, Job, work

if TYPE_CHECKING:
    import submitit

#: Seconds between two looks at the jobs.
POLL = 1.0
#: Jobs in one array: what SLURM takes unless its MaxArraySize says otherwise.
ARRAY = 1000
#: How often a run may reach its time limit and go on in a new job.
REQUEUES = 100


class SlurmExecutor:
    """Each run is one job of an array, submitted by submitit; a run that reaches its time limit is put in line again.

    Submitted functions, outputs and scripts lie in ``OUT/.logs/slurm``. The nodes share a file system and an
    environment with the machine that submits.

    Args:
        workers: runs at a time, None for as many as the cluster gives.
        cpus: CPUs of a run, None for the largest ``threads`` of the configs.
        gpus: GPUs of a run.
        minutes: time limit of a job.
        partition: partition to submit to.
        options: further options of sbatch, by their long names.
        cluster: ``local`` runs the jobs on this machine, for a trial.

    Raises:
        UserError: where submitit is not installed.
    """

    def __init__(
        self,
        workers: int | None = None,
        cpus: int | None = None,
        gpus: int = 0,
        minutes: int = 240,
        partition: str | None = None,
        options: Mapping[str, str] | None = None,
        cluster: Literal["slurm", "local"] = "slurm",
    ) -> None:
        try:
            import submitit  # noqa: F401
        except ModuleNotFoundError as error:
            raise UserError(
                f'--executor slurm: {error.name} is missing; write: pip install "resbench[slurm]"'
            ) from None
        self.workers, self.cpus, self.gpus, self.minutes = workers, cpus, gpus, minutes
        self.partition, self.options, self.cluster = partition, dict(options or {}), cluster

    def execute(self, jobs: Sequence[Job], started: Callable[[Job], None], ended: Callable[[Job], None]) -> None:
        """See ``Executor``.

        At Ctrl-C or SIGTERM what has not started is cancelled and what runs gets SIGINT, leaves its record and
        checkpoint, and is waited for; the second time the rest is left to SLURM.
        """
        with sigterm_interrupts():
            for first in range(0, len(jobs), ARRAY):
                self._execute_array(jobs[first : first + ARRAY], started, ended)

    def _execute_array(self, jobs: Sequence[Job], started: Callable[[Job], None], ended: Callable[[Job], None]) -> None:
        unseen = {job: job.stamp() for job in jobs}
        pending = self._submit(jobs)

        def collect() -> None:
            time.sleep(POLL)
            for job in [job for job, stamp in unseen.items() if job.stamp() != stamp]:
                del unseen[job]
                started(job)
            for job, submitted in list(pending.items()):
                if submitted.done():
                    del pending[job]
                    unseen.pop(job, None)
                    _note_failure(submitted, job)
                    ended(job)

        try:
            while pending:
                collect()
        except KeyboardInterrupt:
            for job, submitted in pending.items():
                if job in unseen or self.cluster == "local":
                    submitted.cancel(check=False)
                else:
                    subprocess.run(["scancel", "--signal=INT", submitted.job_id], check=False)
            while pending:
                collect()
            raise

    def _submit(self, jobs: Sequence[Job]) -> dict[Job, submitit.Job[int]]:
        import submitit

        folder = jobs[0].root / LOGS / "slurm"
        try:
            executor = submitit.AutoExecutor(folder, cluster=self.cluster, slurm_max_num_timeout=REQUEUES)
            executor.update_parameters(
                name="resbench",
                timeout_min=self.minutes,
                cpus_per_task=self.cpus or max(job.threads for job in jobs),
                gpus_per_node=self.gpus,
                slurm_partition=self.partition,
                slurm_array_parallelism=self.workers or len(jobs),
                slurm_additional_parameters=self.options,
            )
            return dict(zip(jobs, executor.map_array(Task(), jobs), strict=True))
        except (RuntimeError, subprocess.CalledProcessError) as error:  # no SLURM here, or it refuses the options
            reason = " ".join(str(error).split())
            raise UserError(f"--executor slurm: {reason}") from None


class Task:
    """What a job of the array does: one run, which at the time limit stops with a checkpoint and is put in line again.

    submitit announces the limit by a signal, 90 s before, and would end the process in the middle of a step.
    """

    def __call__(self, job: Job) -> int:
        """Run the job and return its exit status."""
        from submitit import JobEnvironment

        number = JobEnvironment._usr_sig()
        put_in_line: Any = signal.getsignal(number)
        announced = False

        def stop(number: int, frame: FrameType | None) -> None:
            nonlocal announced
            announced = True
            signal.raise_signal(signal.SIGINT)

        signal.signal(number, stop)
        status = work(job)
        if announced and not job.state().done:
            put_in_line(number, None)
        return status

    def checkpoint(self, job: Job) -> submitit.helpers.DelayedSubmission:
        """The same again: the run finds its checkpoint itself."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, job)


def _note_failure(submitted: submitit.Job[int], job: Job) -> None:
    """Note in the log of a job why it has not ended by itself."""
    if submitted.exception() is not None:
        job.note(f"SLURM job {submitted.job_id}: {submitted.state}; see {submitted.paths.stderr}")
